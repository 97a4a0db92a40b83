// Boost.Asio, included the one way that works: g++ 12 needs <utility> before it (std::exchange in awaitable.hpp).
#pragma once

#include <utility>

#include <boost/asio.hpp>

namespace fairlead {
namespace asio = boost::asio;
}
