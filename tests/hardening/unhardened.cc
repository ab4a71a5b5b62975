#include <cstdio>

int main() {
  return std::puts(HNX_SOURCE) < 0 ? 1 : 0;
}
