// Products of BF16 matrices with AMX, Intel's tiles: what attention over a KV cache of BF16 is made of. llama.cpp has AMX for
// quantized weights only.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and TDPBF16PS in volume 2.
#pragma once

#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512BF16__) && defined(__linux__)
#define HAS_AMX_BF16

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace amx_bf16 {

constexpr int64_t ROWS = 16;   // of a tile
constexpr int64_t DEPTH = 32;  // numbers in a row of a tile: 64 bytes
constexpr int64_t TILE = ROWS * DEPTH;

// Whether this processor has tiles of BF16 and the kernel lets this process use them.
inline bool is_allowed() {
    constexpr int ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18;
    static const bool allowed =
        __builtin_cpu_supports("amx-bf16") && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
    return allowed;
}

struct alignas(64) Config {
    uint8_t palette = 0, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
};

// Tiles 0 to 3 take results, 4 and 5 rows of B, 6 and 7 columns made of A. llama.cpp gives a thread its own tiles once and for all,
// so they are put back afterwards. In assembler, since GCC 13 does not know how much these instructions read and write.
class Tiles {
  public:
    explicit Tiles(uint8_t rows) {
        __asm__ volatile("sttilecfg %0" : "=m"(before_));
        Config config;
        config.palette = 1;
        for (int tile = 0; tile < 8; ++tile) {
            config.row_bytes[tile] = 64;
            config.rows[tile] = tile < 6 ? rows : ROWS;
        }
        __asm__ volatile("ldtilecfg %0" ::"m"(config));
    }
    ~Tiles() { __asm__ volatile("ldtilecfg %0" ::"m"(before_)); }
    Tiles(const Tiles &) = delete;
    Tiles & operator=(const Tiles &) = delete;

  private:
    Config before_;
};

// 16 rows of 16 pairs become 16 rows of which each has one pair of all: so TDPBF16PS wants its second operand.
template <typename T> inline void transpose(const T * from, int64_t stride, T * to) {
    __m512i a[16], b[16];
    for (int i = 0; i < 16; ++i) {
        a[i] = _mm512_loadu_si512(from + i * stride);
    }
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        for (int j = 0; j < 2; ++j) {
            a[i + 2 * j] = _mm512_unpacklo_epi64(b[i + j], b[i + j + 2]);
            a[i + 2 * j + 1] = _mm512_unpackhi_epi64(b[i + j], b[i + j + 2]);
        }
    }
    // a[4 * g + j] has pair j of each quarter, of the rows 4 * g to 4 * g + 3.
    for (int j = 0; j < 4; ++j) {
        const __m512i low01 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x44), high01 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xee);
        const __m512i low23 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x44);
        const __m512i high23 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xee);
        b[j] = _mm512_shuffle_i32x4(low01, low23, 0x88);
        b[4 + j] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
        b[8 + j] = _mm512_shuffle_i32x4(high01, high23, 0x88);
        b[12 + j] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
    }
    for (int i = 0; i < 16; ++i) {
        _mm512_storeu_si512(to + i * DEPTH, b[i]);
    }
}

// C[j][i] is the sum over l of A[i][l] * B[j][l], for i below m, j below n and l below k, with rows so many numbers apart. Each is
// summed up in the order of l, however large m and n are. m and k are multiples of 32. This thread does its part of it.
template <typename T>
inline void multiply(int thread, int threads, int64_t m, int64_t n, int64_t k, const T * A, int64_t lda, const T * B, int64_t ldb,
                     float * C, int64_t ldc) {
    static_assert(sizeof(T) == 2);
    const int64_t rows = std::min(n, ROWS), blocks = m / (2 * ROWS);
    // With many threads for few blocks of A each takes a part of B.
    const int64_t parts = std::clamp<int64_t>(threads / blocks, 1, (n + 2 * ROWS - 1) / (2 * ROWS));
    const int64_t each = ((n + parts - 1) / parts + 2 * ROWS - 1) / (2 * ROWS) * 2 * ROWS;
    const Tiles tiles(static_cast<uint8_t>(rows));
    static thread_local std::vector<T> columns;
    columns.resize(2 * ROWS * k);
    for (int64_t job = thread; job < blocks * parts; job += threads) {
        const int64_t i = job / parts * 2 * ROWS, begin = job % parts * each, end = std::min(n, begin + each);
        for (int64_t l = 0; l < k; l += DEPTH) {
            transpose(A + i * lda + l, lda, columns.data() + 2 * ROWS * l);
            transpose(A + (i + ROWS) * lda + l, lda, columns.data() + 2 * ROWS * l + TILE);
        }
        __asm__ volatile("" ::: "memory");  // the tiles are loaded from what was stored
        for (int64_t j = begin; j < end; j += 2 * ROWS) {
            // The last rows may be computed twice, rather than fewer than a tile has.
            const int64_t first = std::min(j, n - rows), second = std::min(j + ROWS, n - rows);
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (int64_t l = 0; l < k; l += DEPTH) {
                _tile_loadd(4, B + first * ldb + l, ldb * sizeof(T));
                _tile_loadd(5, B + second * ldb + l, ldb * sizeof(T));
                _tile_loadd(6, columns.data() + 2 * ROWS * l, 64);
                _tile_loadd(7, columns.data() + 2 * ROWS * l + TILE, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, C + first * ldc + i, ldc * sizeof(float));
            _tile_stored(1, C + first * ldc + i + ROWS, ldc * sizeof(float));
            _tile_stored(2, C + second * ldc + i, ldc * sizeof(float));
            _tile_stored(3, C + second * ldc + i + ROWS, ldc * sizeof(float));
        }
    }
}

}  // namespace amx_bf16
#endif
