// The pages /debug/top and /debug/slow as tables for people.
//
// Threads: values.
// Errors: a sentence, when the page is not what a server sends.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <string>

namespace fairlead::ctl {

/// Two tables, of clients and of names, of at most `rows` rows each.
std::expected<std::string, std::string> write_top_tables(const std::string& page, std::size_t rows);

/// The slowest first, with where their time went: none that took less than `at_least`.
std::expected<std::string, std::string> write_slow_table(const std::string& page, std::size_t rows,
                                                         std::chrono::milliseconds at_least);

}  // namespace fairlead::ctl
