#include "coordinator/rpc/channel_to_proto.h"

namespace hnx::coordinator {

namespace pb = hypercore_nixos::v1;

pb::ChannelStatus ChannelToProto(const ChannelView& view) {
  pb::ChannelStatus out;
  out.set_name(view.name);
  out.set_followed(view.followed);
  out.set_keep_releases(view.keep_releases);
  out.set_keep_days(view.keep_days);
  out.set_interval_ms(static_cast<std::uint64_t>(view.interval_ms));
  out.set_debounce_ms(static_cast<std::uint64_t>(view.debounce_ms));
  out.set_latest(view.latest);
  out.set_latest_settled_at_ms(view.latest_settled_at_ms);
  out.set_seen(view.seen);
  out.set_seen_at_ms(view.seen_at_ms);
  out.set_polled_at_ms(view.polled_at_ms);
  out.set_error(view.error);
  return out;
}

pb::GarbageReport GarbageToProto(const GarbageView& view) {
  pb::GarbageReport out;
  for (const RetiringRelease& release : view.releases) {
    pb::RetiringRelease& retiring = *out.add_releases();
    retiring.set_id(static_cast<std::uint64_t>(release.id));
    retiring.set_channel(release.channel);
    retiring.set_name(release.name);
  }
  out.set_paths(view.paths);
  out.set_nars(view.nars);
  out.set_bytes(view.bytes);
  out.set_retiring_nars(view.retiring_nars);
  out.set_retiring_bytes(view.retiring_bytes);
  out.set_due_nars(view.due_nars);
  out.set_due_bytes(view.due_bytes);
  out.set_next_due_ms(view.next_due_ms);
  out.set_leaving_releases(view.leaving_releases);
  out.set_leaving_paths(view.leaving_paths);
  out.set_leaving_links(view.leaving_links);
  out.set_leaving_copies(view.leaving_copies);
  out.set_leaving_bytes(view.leaving_bytes);
  out.set_waiting_copies(view.waiting_copies);
  out.set_waiting_bytes(view.waiting_bytes);
  out.set_reclaimed_nars(view.reclaimed_nars);
  out.set_reclaimed_bytes(view.reclaimed_bytes);
  out.set_done(view.Idle());
  return out;
}

}  // namespace hnx::coordinator
