/* GCC before 14 believes that `ldtilecfg` reads 8 bytes (its bug 114098), and so leaves out what llama.cpp writes into
 * the other 56: on processors with AMX (Intel Xeon since 2023) the first answer ends in an illegal instruction. */
#if defined(__AMX_TILE__)
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(const char(*)[64])(config)))
#endif
