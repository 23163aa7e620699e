from hypothesis import given
from hypothesis import strategies as st

from llm_api.engine.text import TextStream, clean_text


def read_all(stream: TextStream, pieces: list[bytes]) -> str:
    return "".join(stream.feed(piece) for piece in pieces) + stream.finish()


def test_a_character_split_over_tokens_is_shown_once_whole() -> None:
    stream = TextStream()
    shown = [stream.feed(byte.to_bytes()) for byte in "aé🦷".encode()]
    assert shown == ["a", "", "é", "", "", "", "🦷"]


def test_an_unfinished_character_at_the_end_is_dropped() -> None:
    assert read_all(TextStream(), [b"ok ", "🦷".encode()[:2]]) == "ok "


def test_a_stop_string_over_several_tokens_is_never_shown() -> None:
    stream = TextStream(["\nUser:"])
    shown = [stream.feed(piece) for piece in (b"Hi", b"\nUs", b"er", b": more")]
    assert shown == ["Hi", "", "", ""]
    assert stream.stopped


def test_text_that_only_looked_like_a_stop_string_is_shown_later() -> None:
    stream = TextStream(["<end>"])
    assert [stream.feed(b"a<en"), stream.feed(b"try>")] == ["a", "<entry>"]
    assert not stream.stopped


def expected(text: str, stops: list[str]) -> str:
    """The text up to the stop string that is complete first, found character by character."""
    for end in range(1, len(text) + 1):
        starts = [end - len(s) for s in stops if s and text[:end].endswith(s)]
        if starts:
            return text[: min(starts)]
    return text


@given(
    st.text(alphabet="abé🦷", max_size=30),
    st.lists(st.text(alphabet="abé🦷", max_size=4), max_size=3),
    st.lists(st.integers(min_value=1, max_value=5), min_size=1, max_size=5),
)
def test_borders_of_tokens_change_nothing(text: str, stops: list[str], sizes: list[int]) -> None:
    data, at = text.encode(), 0
    pieces: list[bytes] = []
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    assert read_all(TextStream(stops), pieces) == expected(text, stops)


ODD = st.sampled_from(["\ud83e", "\uddb7", "\0", "x"])


@given(st.text(alphabet=st.characters(), max_size=20), st.lists(ODD))
def test_clean_text_always_encodes(text: str, odd: list[str]) -> None:
    cleaned = clean_text(text + "".join(odd))
    assert "\0" not in cleaned.encode("utf-8").decode("utf-8")


def test_clean_text_joins_pairs_and_replaces_lone_surrogates() -> None:
    assert clean_text("a\0\ud83e\uddb7 \ud83e!") == "a🦷 \ufffd!"
