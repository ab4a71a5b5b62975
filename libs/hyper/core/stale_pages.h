// Pages that are kept of files which another process has mended: what is not there may be there
// since.
#pragma once

namespace hnx::hyper {

// For whoever was told by kept pages that something is not there, which mostly is so: has all pages
// of this process read anew, at most once a second however often it is called. False: not now. Any
// thread.
bool DropStalePages();

}  // namespace hnx::hyper
