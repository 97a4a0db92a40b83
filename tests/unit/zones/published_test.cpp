#include "zones/base/published.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

using namespace fairlead::base;

namespace {

struct Version {
  Version(int first, std::atomic<int>& freed_count) : a(first), b(first), freed(freed_count) {}
  ~Version() {
    a = b = -1;
    ++freed;
  }
  int a, b;
  std::atomic<int>& freed;
};

}  // namespace

TEST_CASE("a section inside of another one does not end it") {
  std::atomic<int> freed{0};
  Published<Version> published(std::make_unique<const Version>(1, freed));
  std::atomic<int> step{0};
  std::thread reader([&] {
    const ReaderThread registered;
    const ReadSection outer;
    const Version* const version = published.read();
    {
      const ReadSection inner;
    }
    step = 1;
    while (step != 2) std::this_thread::yield();
    CHECK(version->a == 1);
    CHECK(freed == 0);
    step = 3;
  });
  {
    const ReaderThread registered;
    while (step != 1) std::this_thread::yield();
    published.publish(std::make_unique<const Version>(2, freed));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    step = 2;
    reader.join();
    wait_for_reclaim();
  }
  CHECK(freed == 1);
}

TEST_CASE("an old version is freed after the last section that could hold it, not before") {
  std::atomic<int> freed{0};
  std::atomic<int> step{0};
  {
    Published<Version> published(std::make_unique<const Version>(1, freed));
    std::thread reader([&] {
      const ReaderThread thread;
      {
        const ReadSection section;
        const Version* const held = published.read();
        step = 1;
        while (step != 2) std::this_thread::yield();
        // Long enough for a reclaimer that does not wait for us.
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        CHECK(freed == 0);
        CHECK(held->a == 1);
      }
      step = 3;
      // Registered and idle: holds nothing back.
      while (step != 4) std::this_thread::yield();
    });
    const ReaderThread thread;
    while (step != 1) std::this_thread::yield();
    published.publish(std::make_unique<const Version>(2, freed));
    step = 2;
    while (step != 3) std::this_thread::yield();
    wait_for_reclaim();
    CHECK(freed == 1);
    {
      const ReadSection section;
      CHECK(published.read()->a == 2);
    }
    step = 4;
    reader.join();
  }
  CHECK(freed == 2);
}

TEST_CASE("readers see whole versions while many are published") {
  std::atomic<int> freed{0};
  std::atomic<bool> stop{false};
  {
    Published<Version> published(std::make_unique<const Version>(0, freed));
    std::atomic<int> torn{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i) {
      readers.emplace_back([&] {
        const ReaderThread thread;
        int last = 0;
        while (!stop) {
          const ReadSection section;
          const Version* const version = published.read();
          if (version->a != version->b || version->a < last) ++torn;
          last = version->a;
        }
      });
    }
    const ReaderThread thread;
    for (int i = 1; i <= 5000; ++i) published.publish(std::make_unique<const Version>(i, freed));
    stop = true;
    for (auto& reader : readers) reader.join();
    wait_for_reclaim();
    CHECK(torn == 0);
    CHECK(freed == 5000);
  }
  CHECK(freed == 5001);
}

TEST_CASE("a thread may register more than once; what was never published reads as nothing") {
  const ReaderThread thread;
  {
    const ReaderThread again;
    const ReadSection section;
  }
  Published<int> nothing;
  const ReadSection section;
  CHECK(nothing.read() == nullptr);
}
