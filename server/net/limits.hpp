// Bounds of the listeners, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>

namespace fairlead::server {

/// Packets a system call: beyond 64 the gain was not measurable, and a batch delays its first reply.
inline constexpr std::size_t udp_batch = 64;
/// Batches a turn, so that a flood on one socket leaves time for the worker's other sockets and timers.
inline constexpr int udp_batches_a_turn = 16;
/// A query with every option in use is far below this; what is longer is cut off by the kernel and gets FORMERR.
inline constexpr std::size_t udp_query_octets_max = 4096;
/// Asked of the kernel, which halves it to net.core.rmem_max without a word: room for bursts while a worker is busy.
inline constexpr int udp_receive_buffer_octets = 4 * 1024 * 1024;

/// Open connections a worker. Above it the one that has been idle longest is closed: a flood of silent connections
/// must not lock others out. With the limits below, 64 MiB of buffers at worst.
inline constexpr std::size_t tcp_connections_max = 512;
inline constexpr int tcp_backlog = 1024;
/// Queries of one connection that wait for upstreams; more are read once some are answered.
inline constexpr std::size_t tcp_pending_max = 100;
/// Replies that a client has not taken yet; above it no more queries are read.
inline constexpr std::size_t tcp_unsent_octets_max = 64 * 1024;

/// Octets of one encrypted connection that a worker takes before it looks after others: one record, so that a flood of
/// small ones is cut up as well.
inline constexpr std::size_t tls_turn_octets_max = 16 * 1024 + 512;
/// What waits to be sent before more is read; without it, requests that need no query (alerts, new keys) would pile up
/// answers for a client that reads none.
inline constexpr std::size_t tls_output_octets_max = 64 * 1024;
/// Handshakes under way on one listener of a worker. OpenSSL takes up to 131 kB for one whose client announces a long
/// message, so that these are 16 MiB at worst.
inline constexpr std::size_t tls_handshakes_max = 128;
/// How long a client may keep us waiting within a handshake while others want its place: round trips around the world.
inline constexpr std::chrono::milliseconds tls_patience{500};

/// Reads of a connection that is to end: for what has arrived, not for a client that sends on and on.
inline constexpr int tcp_drain_reads_max = 16;

/// Transfers that wait for their turn on one connection; a secondary asks for one zone after the other.
inline constexpr std::size_t tcp_streams_max = 4;
/// What is rendered while the socket takes the messages before: two messages, so that it never waits for us.
inline constexpr std::size_t tcp_stream_ahead_octets = 32 * 1024;

}  // namespace fairlead::server
