// Products of many tokens with quantized weights, in AMX's BF16 tiles. llama.cpp multiplies such weights in tiles of whole
// numbers, a block of 32 at a time, whose sums it must scale one by one: that takes several times as long as the products.
// Here a few of the weights are unpacked, and multiplied with all tokens.
//
// Part of mmq.cpp, for its packed weights: those of 16 rows, 32 numbers deep, lie together as a tile of bytes or nibbles,
// in which each row has four numbers of all 16, and behind it their scales.
#pragma once

#include "llamafile/amx_bf16.h"

#if defined(HAS_AMX_BF16)
namespace amx_weights {

using amx_bf16::DEPTH;
using amx_bf16::ROWS;
using amx_bf16::TILE;

// With fewer tokens unpacking takes longer than what llama.cpp does.
constexpr int LEAST_TOKENS = ROWS;

template <typename TB>
constexpr bool is_known = std::is_same_v<TB, block_q4_0> || std::is_same_v<TB, block_q4_1> || std::is_same_v<TB, block_q8_0>;

// What `multiply` needs for so many tokens of so many numbers.
inline size_t work_bytes(int64_t tokens, int64_t depth) {
    return div_up(tokens, ROWS) * ROWS * depth * sizeof(uint16_t) + 63;
}

inline __m512i round(__m512 low, __m512 high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

// A token's numbers, into its row of tiles that lie behind one another.
inline void pack(const float * token, int depth, uint16_t * to) {
    for (int l = 0; l < depth; l += DEPTH, to += TILE) {
        _mm512_storeu_si512(to, round(_mm512_loadu_ps(token + l), _mm512_loadu_ps(token + l + 16)));
    }
}

inline __m512 scales(const char * from) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from)); }

// A packed tile, as TDPBF16PS wants its second operand: each row has two numbers of all 16 rows of the weights.
template <typename TB> void unpack(const char * packed, uint16_t * to) {
    alignas(64) packed_B_type<TB> numbers[TILE];
    if constexpr (do_unpack<TB>::value) {
        unpack_B<TB>(numbers, packed);
    } else {
        memcpy(numbers, packed, TILE);
    }
    const char * behind = packed + (do_unpack<TB>::value ? TILE / 2 : TILE);
    const __m512 scale = scales(behind);
    __m512 least = _mm512_setzero_ps();
    if constexpr (std::is_same_v<TB, block_q4_1>) {
        least = scales(behind + ROWS * sizeof(ggml_half));
    }
    const auto number = [&](__m512i four, int which) {
        const __m512i one = _mm512_srai_epi32(_mm512_slli_epi32(four, 24 - 8 * which), 24);
        return _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(one), least);
    };
    const __m512i pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                           20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (int row = 0; row < ROWS; row += 2, to += 2 * DEPTH) {
        const __m512i four = _mm512_load_si512(numbers + row * DEPTH);
        _mm512_store_si512(to, _mm512_permutexvar_epi16(pairs, round(number(four, 0), number(four, 1))));
        _mm512_store_si512(to + DEPTH, _mm512_permutexvar_epi16(pairs, round(number(four, 2), number(four, 3))));
    }
}

// Two packed columns of weights, each `depth` tiles deep, as pairs of tiles.
template <typename TB> void unpack_panel(const char * weights, int depth, uint16_t * panel) {
    const int bytes = get_tile_size<TB>();
    for (int k = 0; k < depth; ++k, panel += 2 * TILE) {
        for (int column = 0; column < 2; ++column) {
            const char * tile = weights + (int64_t)(column * depth + k) * bytes;
            for (int line = 0; line < bytes; line += 64) {
                _mm_prefetch(tile + (int64_t)2 * depth * bytes + line, _MM_HINT_T1);  // for the next panel
            }
            unpack<TB>(tile, panel + column * TILE);
        }
    }
    __asm__ volatile("" ::: "memory");  // the tiles are loaded from what was stored
}

// The products of 16 or 32 packed tokens with a panel.
inline void multiply_tiles(const uint16_t * tokens, int count, int depth, const uint16_t * panel, float * C, int64_t ldc) {
    const bool is_pair = count > ROWS;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int k = 0; k < depth; ++k) {
        _tile_loadd(4, tokens + k * TILE, 64);
        _tile_loadd(6, panel + 2 * k * TILE, 64);
        _tile_loadd(7, panel + (2 * k + 1) * TILE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (is_pair) {
            _tile_loadd(5, tokens + (depth + k) * TILE, 64);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    alignas(64) float rest[2 * ROWS][2 * ROWS];
    const bool is_whole = count >= 2 * ROWS;
    float * to = is_whole ? C : rest[0];
    const int64_t stride = is_whole ? ldc : 2 * ROWS;
    _tile_stored(0, to, stride * sizeof(float));
    _tile_stored(1, to + ROWS, stride * sizeof(float));
    _tile_stored(2, to + ROWS * stride, stride * sizeof(float));
    _tile_stored(3, to + ROWS * stride + ROWS, stride * sizeof(float));
    __asm__ volatile("" ::: "memory");
    for (int row = 0; !is_whole && row < count; ++row) {
        memcpy(C + row * ldc, rest[row], sizeof(rest[row]));
    }
}

// C[t][n] is the sum over k of tokens[t][k] * weights[n][k], summed up in the order of k, however many tokens there are.
// N and K are multiples of 32. This thread does its part of it.
template <typename TB>
void multiply(const ggml_compute_params * params, int tokens, int N, int K, const float * from, const char * weights, float * C,
              int64_t ldc) {
    uint16_t * packed = (uint16_t *)(((uintptr_t)params->wdata + 63) & ~(uintptr_t)63);
    parallel_for_ggml(params, tokens, [&](int begin, int end) {
        for (int t = begin; t < end; ++t) {
            pack(from + (int64_t)t * K, K, packed + t / ROWS * ROWS * K + t % ROWS * DEPTH);
        }
    });
    ggml_barrier(params->threadpool);

    const int depth = K / DEPTH, panels = N / (2 * ROWS);
    // With many threads for few panels each takes a part of the tokens.
    const int parts = std::min(div_up(params->nth, panels), div_up<int>(tokens, 2 * ROWS));
    const int each = div_up(div_up(tokens, parts), 2 * (int)ROWS) * 2 * ROWS;
    const amx_bf16::Tiles tiles(ROWS);
    static thread_local std::vector<uint16_t> memory;
    memory.resize(2 * depth * TILE + 32);
    uint16_t * panel = (uint16_t *)(((uintptr_t)memory.data() + 63) & ~(uintptr_t)63);
    parallel_for_ggml(params, panels * parts, [&](int begin, int end) {
        for (int job = begin; job < end; ++job) {
            const int column = job / parts, first = job % parts * each, last = std::min(tokens, first + each);
            unpack_panel<TB>(weights + (int64_t)column * 2 * depth * get_tile_size<TB>(), depth, panel);
            for (int t = first; t < last; t += 2 * ROWS) {
                multiply_tiles(packed + (int64_t)t * K, last - t, depth, panel, C + t * ldc + column * 2 * ROWS, ldc);
            }
        }
    });
}

}  // namespace amx_weights
#endif
