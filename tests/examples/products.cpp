// SPDX-License-Identifier: MIT
#include <cachetools.hpp>
#include <iostream>

struct product {
  std::string name;
  double price;
};

int main() {
  using namespace std::chrono_literals;
  cachetools::cache<int, std::shared_ptr<const product>> products(
      {.policy = cachetools::policy::sieve, .maxsize = 1000, .ttl = 5min});

  // Threads that ask for a product meanwhile wait for it. What a loader throws comes out here.
  auto tea = products.get_or_load(7, [](int id) {
    return std::make_shared<product>(product{"tea no. " + std::to_string(id), 2.5});
  });
  std::cout << tea->name << '\n';

  cachetools::cache<std::string, double> rates(cachetools::policy::lru, 100);
  rates.set("EUR", 1.25, 30s);
  if (auto rate = rates.get("EUR")) std::cout << tea->price * *rate << '\n';
}
