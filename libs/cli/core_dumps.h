// What a process that holds keys owes to them.
#pragma once

namespace hnx::cli {

// From now on this process leaves no core dump, and no other one of its user may read its memory.
// Its children may be read again once they have become other programs.
void ForbidCoreDumps();

}  // namespace hnx::cli
