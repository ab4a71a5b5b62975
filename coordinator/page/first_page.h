// FirstPage: the page as it is before, or without, its script: channels, and how far each is.
#pragma once

#include <string>

#include "coordinator/page/overview_service.h"

namespace hnx::coordinator {

// The embedded index.html with what is known filled in. Everything from outside is escaped.
std::string FirstPage(const OverviewLook& look);

}  // namespace hnx::coordinator
