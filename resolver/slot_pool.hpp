// Objects in numbered slots that are used again and again: no allocation once the pool has grown to its load.
//
// A slot's generation changes when it is given back, so that a number kept too long is recognised as out of date.
//
// Threads: belongs to one worker.
// Limits: `slots_max`; memory is taken in chunks and kept.
// Errors: take() gives nothing when the pool is full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace fairlead::resolver {

inline constexpr std::uint32_t no_slot = 0xffffffff;

template <typename Object>
class SlotPool {
 public:
  explicit SlotPool(std::size_t slots_max) : slots_max_(slots_max) {}

  std::optional<std::uint32_t> take() {
    if (!free_.empty()) {
      const std::uint32_t slot = free_.back();
      free_.pop_back();
      cell(slot).is_taken = true;
      return slot;
    }
    if (used_ == slots_max_) return std::nullopt;
    if (used_ == chunks_.size() * chunk_slots) {
      chunks_.push_back(std::make_unique<Cell[]>(chunk_slots));
      free_.reserve(chunks_.size() * chunk_slots);  // so that give_back() never allocates
    }
    const auto slot = static_cast<std::uint32_t>(used_++);
    cell(slot).is_taken = true;
    return slot;
  }
  void give_back(std::uint32_t slot) {
    Cell& given = cell(slot);
    ++given.generation;
    given.is_taken = false;
    free_.push_back(slot);
  }

  Object& at(std::uint32_t slot) { return cell(slot).object; }
  std::uint32_t generation(std::uint32_t slot) { return cell(slot).generation; }
  bool is_current(std::uint32_t slot, std::uint32_t generation) {
    return slot < used_ && cell(slot).is_taken && cell(slot).generation == generation;
  }
  bool is_taken(std::uint32_t slot) { return cell(slot).is_taken; }

  /// Slots in use.
  std::size_t size() const { return used_ - free_.size(); }
  /// Slots that ever were in use: all numbers are below.
  std::size_t extent() const { return used_; }

 private:
  struct Cell {
    Object object{};
    std::uint32_t generation = 0;
    bool is_taken = false;
  };
  static constexpr std::size_t chunk_slots = 64;
  Cell& cell(std::uint32_t slot) { return chunks_[slot / chunk_slots][slot % chunk_slots]; }

  const std::size_t slots_max_;
  std::vector<std::unique_ptr<Cell[]>> chunks_;
  std::vector<std::uint32_t> free_;
  std::size_t used_ = 0;
};

}  // namespace fairlead::resolver
