"""A GGUF file: its weights, vocabulary and chat template, shared by all lanes."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llama_cpp
from jinja2 import TemplateError
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from llm_api.engine.base import ChatMessage, InvalidRequestError, ModelLoadError
from llm_api.engine.plan import ALL_LAYERS
from llm_api.engine.text import clean_text

_PIECE_BYTES = 256
_TEMPLATE_KEY = b"tokenizer.chat_template"


def has_gpu() -> bool:
    """Whether llama.cpp was compiled for a GPU and finds one."""
    return bool(llama_cpp.llama_supports_gpu_offload())


def describe_gpu(layers: int) -> dict[str, str]:
    """How many layers a GPU computes, for people; nothing where there is none."""
    return {"GPU layers": "all" if layers < 0 else str(layers)} if has_gpu() else {}


class Model:
    """Reads and writes tokens. All methods may be called from any thread."""

    def __init__(self, path: Path, gpu_layers: int = ALL_LAYERS) -> None:
        """Load the file, which blocks. Raises ModelLoadError with a sentence for the reader."""
        llama_cpp._logger.set_verbose(False)
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        # In a thread that ends: OpenMP keeps a thread's helpers as long as it lives, and where there are more
        # threads than CPUs, those who compute sleep at each barrier, which made two slower than one.
        with ThreadPoolExecutor(1) as loader:
            load = loader.submit(llama_cpp.llama_model_load_from_file, str(path).encode(), params)
            pointer = load.result()
        if not pointer:
            raise ModelLoadError(
                f"The model file {path} cannot be loaded: it is broken, incomplete or of an unknown kind."
            )
        self.pointer = pointer
        self.path = path
        self._vocab = llama_cpp.llama_model_get_vocab(pointer)
        self.vocabulary_size: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self.can_forget = not (
            llama_cpp.llama_model_is_recurrent(pointer) or llama_cpp.llama_model_is_hybrid(pointer)
        )
        self._formatter = self._chat_formatter()
        attributes = [
            llama_cpp.llama_vocab_get_attr(self._vocab, token) for token in range(self.vocabulary_size)
        ]
        control = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL
        special = control | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
        self.control_tokens = frozenset(n for n, attribute in enumerate(attributes) if attribute & control)
        self._forgeries = _pattern(
            self._text_of(n) for n, attribute in enumerate(attributes) if attribute & special
        )

    def close(self) -> None:
        """Free the weights; every lane must be closed before."""
        llama_cpp.llama_model_free(self.pointer)

    def render(self, messages: Sequence[ChatMessage]) -> str:
        """The chat as the model was trained to read it. Raises InvalidRequestError for an order of roles
        that its template refuses."""
        told = [{"role": m.role, "content": self._disarm(m.content)} for m in messages]
        try:
            return self._formatter(messages=told).prompt  # type: ignore[arg-type]
        except (TemplateError, ValueError):
            raise InvalidRequestError("The model's chat template refuses this order of roles.") from None

    def tokenize(self, text: str) -> list[int]:
        """Rendered text to tokens; control tokens in it count as such."""
        data = text.encode("utf-8")
        size = len(data) + 8  # a token stands for a byte at least; some models put one in front
        buffer = (llama_cpp.llama_token * size)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), buffer, size, False, True)
        if count < 0:
            raise InvalidRequestError("The model cannot read this text: shorten it.")
        return buffer[:count]

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for, perhaps part of a character. Control tokens have none."""
        buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        count = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, _PIECE_BYTES, 0, False)
        return buffer.raw[: max(0, count)]

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that its answer is complete."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    def _chat_formatter(self) -> Jinja2ChatFormatter:
        template = _metadata(self.pointer, _TEMPLATE_KEY)
        if not template:
            raise ModelLoadError(
                f"The model file {self.path} has no chat template: choose an instruct model."
            )
        eos, bos = llama_cpp.llama_vocab_eos(self._vocab), llama_cpp.llama_vocab_bos(self._vocab)
        try:
            return Jinja2ChatFormatter(template, eos_token=self._text_of(eos), bos_token=self._text_of(bos))
        except TemplateError:
            raise ModelLoadError(
                f"The chat template of {self.path} cannot be read: choose another model."
            ) from None

    def _text_of(self, token: int) -> str:
        if token < 0:
            return ""
        text: bytes = llama_cpp.llama_vocab_get_text(self._vocab, token)
        return text.decode("utf-8", "replace")

    def _disarm(self, text: str) -> str:
        """Clean the text and break up control tokens in it, which would let a contact write as the system."""
        return self._forgeries.sub(lambda found: found[0][0] + " " + found[0][1:], clean_text(text))


def _metadata(pointer: llama_cpp.llama_model_p, key: bytes) -> str | None:
    size = llama_cpp.llama_model_meta_val_str(pointer, key, ctypes.create_string_buffer(1), 1)
    if size < 0:
        return None
    buffer = ctypes.create_string_buffer(size + 1)
    llama_cpp.llama_model_meta_val_str(pointer, key, buffer, size + 1)
    return buffer.value.decode("utf-8", "replace")


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Matches every text that the tokenizer would read as a control token of this model."""
    longest_first = sorted((text for text in texts if len(text) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
