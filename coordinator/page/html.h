// HtmlText: any text as HTML text or quoted attribute, so that nothing in it is markup.
#pragma once

#include <string>
#include <string_view>

namespace hnx::coordinator {

std::string HtmlText(std::string_view text);

}  // namespace hnx::coordinator
