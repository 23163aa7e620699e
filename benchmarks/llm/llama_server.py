"""llama.cpp's own server, from the package `xllamacpp`: `python -m benchmarks.llm.llama_server --model M ...`

The defaults are the settings that were the fastest of those tried on the loads of this benchmark on two
cores; docs/llm_benchmark.md tells which were tried, and how each fared.
"""

import argparse
import signal

import xllamacpp  # only in requirements/bench.txt

HOST = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--context", type=int, default=4096, help="tokens of all slots together")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--ubatch", type=int, default=512)
    parser.add_argument("--cache-ram", type=int, default=8192, help="MiB for prompts that left their slot")
    parser.add_argument(
        "--similarity", type=float, default=0.1, help="share of a prompt that a slot must know"
    )
    parser.add_argument("--idle-slots", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--unified", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--flash", choices=["auto", "enabled", "disabled"], default="auto")
    parser.add_argument("--speculate", default="none", help="none, ngram_simple, ngram_mod, ngram_cache ...")
    arguments = parser.parse_args()
    server = xllamacpp.Server(_params(arguments))
    print(f"{server.listening_address}, {xllamacpp.get_system_info()}", flush=True)
    signal.sigwait([signal.SIGTERM, signal.SIGINT])


def _params(arguments: argparse.Namespace) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = arguments.model
    params.hostnames = [HOST]
    params.port = arguments.port
    params.ui = False
    params.endpoint_metrics = True
    params.cpuparams.n_threads = arguments.threads
    params.cpuparams_batch.n_threads = arguments.threads
    params.n_parallel = arguments.slots
    params.n_ctx = arguments.context
    params.n_batch, params.n_ubatch = arguments.batch, arguments.ubatch
    params.kv_unified = arguments.unified
    params.cache_ram_mib = arguments.cache_ram
    params.cache_idle_slots = arguments.idle_slots
    params.slot_prompt_similarity = arguments.similarity
    flash = f"LLAMA_FLASH_ATTN_TYPE_{arguments.flash.upper()}"
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.__members__[flash]
    speculation = f"COMMON_SPECULATIVE_TYPE_{arguments.speculate.upper()}"
    params.speculative.types = [xllamacpp.common_speculative_type.__members__[speculation]]
    return params


if __name__ == "__main__":
    main()
