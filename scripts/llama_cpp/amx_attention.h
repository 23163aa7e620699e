// Attention over a KV cache of BF16 in AMX tiles, for GGML_OP_FLASH_ATTN_EXT.
//
// llama.cpp's own looks at one key after another, or at 64 tokens in turns with what they see; without flash attention all heads' chances of
// a layer are written to memory four times over. Here it is one tile of 16 queries after the other: their scores for all keys, the chances
// of these, and the sum of the values, all of which stays in the second cache. A query's numbers do not depend on what is computed
// beside it: they are summed up in the order of keys, and what it may not see adds nothing.
#pragma once

#include "llamafile/amx_bf16.h"

#if defined(HAS_AMX_BF16)
#include <cmath>
#include <cstring>

#include "vec.h"

namespace amx_attention {

using amx_bf16::DEPTH;
using amx_bf16::ROWS;
using amx_bf16::TILE;

constexpr int64_t STEP = 64;  // keys and numbers of a head are taken so many at a time: four tiles

// What a thread needs, as vectors whose first number lies at the beginning of a cache line.
template <typename T> class Memory {
  public:
    T * of(size_t count) {
        numbers_.resize(count + 64 / sizeof(T));
        return reinterpret_cast<T *>((reinterpret_cast<uintptr_t>(numbers_.data()) + 63) & ~uintptr_t{63});
    }

  private:
    std::vector<T> numbers_;
};

// Keys as the second operand of their products with queries: for each 16 of them a tile for each 32 numbers.
inline void pack_keys(const uint16_t * keys, int64_t stride, int64_t count, int64_t size, uint16_t * to) {
    for (int64_t i = 0; i < count; i += ROWS) {
        for (int64_t l = 0; l < size; l += DEPTH, to += TILE) {
            amx_bf16::transpose(keys + i * stride + l, stride, to);
        }
    }
}

// Values as the second operand of their products with chances: for each 32 of them a tile for each 16 numbers, a row of which has these
// numbers of two values.
inline void pack_values(const uint16_t * values, int64_t stride, int64_t count, int64_t size, uint16_t * to) {
    const auto numbers = [](const uint16_t * from) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)); };
    for (int64_t i = 0; i < count; i += DEPTH) {
        for (int64_t l = 0; l < size; l += ROWS) {
            for (int64_t j = i; j < i + DEPTH; j += 2, to += DEPTH) {
                const __m512i even = numbers(values + j * stride + l), odd = numbers(values + (j + 1) * stride + l);
                _mm512_store_si512(to, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
            }
        }
    }
}

// How many of the first keys a token sees, when it does not see the others.
inline int64_t visible(const ggml_fp16_t * mask, int64_t count) {
    const __m512i hidden = _mm512_set1_epi16((short)0xfc00);  // minus infinity
    while (count > 0) {
        const __mmask32 seen = _mm512_cmpneq_epi16_mask(_mm512_loadu_si512(mask + count - DEPTH), hidden);
        if (seen != 0) {
            return count - __builtin_clz(seen);
        }
        count -= DEPTH;
    }
    return 0;
}

// The scores of 16 packed queries for keys, a row for each query.
inline void score(const uint16_t * queries, const uint16_t * keys, int64_t count, int64_t size, float * scores) {
    const int64_t depth = size / DEPTH, tile = depth * TILE;
    for (int64_t i = 0; i < count; i += STEP, keys += 4 * tile) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (int64_t l = 0; l < depth; ++l) {
            _tile_loadd(4, queries + l * TILE, 64);
            _tile_loadd(5, keys + l * TILE, 64);
            _tile_loadd(6, keys + tile + l * TILE, 64);
            _tile_dpbf16ps(0, 4, 5);
            _tile_loadd(7, keys + 2 * tile + l * TILE, 64);
            _tile_dpbf16ps(1, 4, 6);
            _tile_loadd(5, keys + 3 * tile + l * TILE, 64);
            _tile_dpbf16ps(2, 4, 7);
            _tile_dpbf16ps(3, 4, 5);
        }
        _tile_stored(0, scores + i, count * sizeof(float));
        _tile_stored(1, scores + i + ROWS, count * sizeof(float));
        _tile_stored(2, scores + i + 2 * ROWS, count * sizeof(float));
        _tile_stored(3, scores + i + 3 * ROWS, count * sizeof(float));
    }
    __asm__ volatile("" ::: "memory");
}

// What a query's chances are multiples of, and their sum; `to` is its row in the first of tiles of 32 keys.
inline float weigh(float * scores, const ggml_fp16_t * mask, int64_t count, float scale, uint16_t * to) {
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (int64_t i = 0; i < count; i += ROWS) {
        const __m512 bias = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(mask + i)));
        const __m512 score = _mm512_fmadd_ps(_mm512_load_ps(scores + i), _mm512_set1_ps(scale), bias);
        _mm512_store_ps(scores + i, score);
        most = _mm512_max_ps(most, score);
    }
    const float largest = _mm512_reduce_max_ps(most);
    const __m512 base = _mm512_set1_ps(largest == -INFINITY ? 0.0f : largest);
    __m512 sums = _mm512_setzero_ps();
    for (int64_t i = 0; i < count; i += DEPTH, to += TILE) {
        const __m512 low = ggml_v_expf(_mm512_sub_ps(_mm512_load_ps(scores + i), base));
        const __m512 high = ggml_v_expf(_mm512_sub_ps(_mm512_load_ps(scores + i + ROWS), base));
        sums = _mm512_add_ps(sums, _mm512_add_ps(low, high));
        _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
    return _mm512_reduce_add_ps(sums);
}

// The values' sums by the chances of 16 queries, a row for each query.
inline void sum(const uint16_t * chances, const uint16_t * values, int64_t count, int64_t size, float * sums) {
    const int64_t tile = size / ROWS * TILE;
    for (int64_t l = 0; l < size; l += STEP) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        const uint16_t * of = values + l / ROWS * TILE;
        for (int64_t i = 0; i < count / DEPTH; ++i, of += tile) {
            _tile_loadd(4, chances + i * TILE, 64);
            _tile_loadd(5, of, 64);
            _tile_loadd(6, of + TILE, 64);
            _tile_dpbf16ps(0, 4, 5);
            _tile_loadd(7, of + 2 * TILE, 64);
            _tile_dpbf16ps(1, 4, 6);
            _tile_loadd(5, of + 3 * TILE, 64);
            _tile_dpbf16ps(2, 4, 7);
            _tile_dpbf16ps(3, 4, 5);
        }
        _tile_stored(0, sums + l, size * sizeof(float));
        _tile_stored(1, sums + l + ROWS, size * sizeof(float));
        _tile_stored(2, sums + l + 2 * ROWS, size * sizeof(float));
        _tile_stored(3, sums + l + 3 * ROWS, size * sizeof(float));
    }
    __asm__ volatile("" ::: "memory");
}

// Whether this is what `attend` can do.
inline bool is_known(const ggml_tensor * dst) {
    const ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2], *mask = dst->src[3], *sinks = dst->src[4];
    float bias, cap;
    memcpy(&bias, (const float *)dst->op_params + 1, sizeof(bias));
    memcpy(&cap, (const float *)dst->op_params + 2, sizeof(cap));
    return amx_bf16::is_allowed() && q->type == GGML_TYPE_F32 && k->type == GGML_TYPE_BF16 && v->type == GGML_TYPE_BF16 && mask &&
           mask->ne[2] == 1 && !sinks && bias == 0 && cap == 0 && k->ne[0] % STEP == 0 && k->ne[0] == v->ne[0] && k->ne[1] % STEP == 0 &&
           k->nb[0] == sizeof(ggml_bf16_t) && v->nb[0] == sizeof(ggml_bf16_t);
}

// What queries see, by the keys and values of a head that some of the queries' heads share, of one stream. This thread does its part of it.
inline void attend(const ggml_compute_params * params, ggml_tensor * dst) {
    const ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2], *mask = dst->src[3];
    const int64_t size = k->ne[0], tokens = q->ne[1], heads = k->ne[2], shared = q->ne[2] / heads, streams = q->ne[3];
    const int64_t rows = tokens * shared, tiles = (rows + ROWS - 1) / ROWS;
    float scale;
    memcpy(&scale, dst->op_params, sizeof(scale));

    static thread_local Memory<uint16_t> key_memory, value_memory, query_memory, chance_memory;
    static thread_local Memory<float> score_memory, sum_memory;
    static thread_local std::vector<int64_t> seen;
    float * sums = sum_memory.of(ROWS * size);
    uint16_t * queries = query_memory.of(ROWS * size);
    seen.resize(tokens);
    const amx_bf16::Tiles config(ROWS);

    // With many threads for few heads each takes a part of the queries.
    const int64_t parts = std::clamp<int64_t>(params->nth / (heads * streams), 1, tiles), each = (tiles + parts - 1) / parts;
    for (int64_t job = params->ith; job < streams * heads * parts; job += params->nth) {
        const int64_t part = job % parts, head = job / parts % heads, stream = job / parts / heads;
        const auto token_mask = [&](int64_t token) {
            return (const ggml_fp16_t *)((const char *)mask->data + token * mask->nb[1] + stream % mask->ne[3] * mask->nb[3]);
        };
        int64_t most = 0;
        for (int64_t token = 0; token < tokens; ++token) {
            seen[token] = visible(token_mask(token), k->ne[1]);
            most = std::max(most, seen[token]);
        }
        most = (most + STEP - 1) / STEP * STEP;
        uint16_t *keys = key_memory.of(most * size), *values = value_memory.of(most * size), *chances = chance_memory.of(ROWS * most);
        float * scores = score_memory.of(ROWS * most);
        pack_keys((const uint16_t *)((const char *)k->data + head * k->nb[2] + stream * k->nb[3]), k->nb[1] / sizeof(uint16_t), most, size,
                  keys);
        pack_values((const uint16_t *)((const char *)v->data + head * v->nb[2] + stream * v->nb[3]), v->nb[1] / sizeof(uint16_t), most,
                    size, values);
        for (int64_t first = part * each * ROWS; first < std::min(rows, (part + 1) * each * ROWS); first += ROWS) {
            const int64_t last = std::min(rows, first + ROWS);
            int64_t count = 0;
            for (int64_t row = first; row < last; ++row) {
                const char * from = (const char *)q->data + row / shared * q->nb[1] + (head * shared + row % shared) * q->nb[2] + stream * q->nb[3];
                for (int64_t l = 0; l < size; l += DEPTH) {
                    const float * numbers = (const float *)from + l;
                    const auto pair = (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(numbers + ROWS), _mm512_loadu_ps(numbers));
                    _mm512_store_si512(queries + l / DEPTH * TILE + (row - first) * DEPTH, pair);
                }
                count = std::max(count, seen[row / shared]);
            }
            count = (count + STEP - 1) / STEP * STEP;
            __asm__ volatile("" ::: "memory");
            score(queries, keys, count, size, scores);
            float totals[ROWS];
            for (int64_t row = first; row < last; ++row) {
                totals[row - first] =
                    weigh(scores + (row - first) * count, token_mask(row / shared), count, scale, chances + (row - first) * DEPTH);
            }
            __asm__ volatile("" ::: "memory");
            sum(chances, values, count, size, sums);
            for (int64_t row = first; row < last; ++row) {
                const float total = totals[row - first];
                float * to = (float *)((char *)dst->data + (head * shared + row % shared) * dst->nb[1] + row / shared * dst->nb[2] +
                                       stream * dst->nb[3]);
                memcpy(to, sums + (row - first) * size, size * sizeof(float));
                ggml_vec_scale_f32(size, to, total > 0 ? 1 / total : 0);
            }
        }
    }
}

}  // namespace amx_attention
#endif
