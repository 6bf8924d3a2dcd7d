"""Embedding: ours and the peers in one run; ratios are printed.

    python benchmarks/bench_embed.py [--data FOLDER] [--laser-sentences N] [--rounds N] [--processor] [--no-ngram]

`ngram` against scikit-learn's TfidfVectorizer (the same n-grams and weights); `laser` against laser_encoders' own
SentenceEncoder, at random weights of LASER2's size, at the batch size that suits it best of those tried, and its
LaserEncoderPipeline as it is (one sentence a batch). Every variant is timed several times, those of `laser` in turns, and the
best time counts; with `--processor` the processor's time, which is what counts beside other work with one thread.
Threads: as many as OMP_NUM_THREADS says.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SEED = ROOT.parent / "shared" / "data" / "oldi-seed" / "seed"
LASER2 = {
    "num_embeddings": 50004,
    "padding_idx": 1,
    "embed_dim": 320,
    "hidden_size": 512,
    "num_layers": 5,
    "bidirectional": True,
    "left_pad": False,
    "padding_value": 0.0,
}


CLOCK = time.perf_counter


def best_of(tries: int, action: Callable[[], Any]) -> tuple[float, Any]:
    """Run several times; give the shortest time in seconds, and the last result."""
    times, result = [], None
    for _ in range(tries):
        begin = CLOCK()
        result = action()
        times.append(CLOCK() - begin)
    return min(times), result


def bench_ngram(texts: list[str]) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    from transforms.embed import NgramSettings
    from transforms.embed.backends.ngram import fit, fit_encode

    options = NgramSettings(minimum_sentences=1, accents="kept")
    fit_encode([texts[:10]], options)  # compiled once
    fit(texts[:10], options).encode(texts[:10])
    peer_s, theirs = best_of(
        3, lambda: TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True).fit_transform(texts)
    )
    once_s, (_, (ours,)) = best_of(5, lambda: fit_encode([texts], options))
    twice_s, _ = best_of(5, lambda: fit(texts, options).encode(texts))
    default_s, _ = best_of(5, lambda: fit_encode([texts], NgramSettings()))
    wide = ours.astype(np.float64)
    difference = abs((wide[:200] @ wide.T) - (theirs[:200] @ theirs.T)).max()
    print(
        f"\nngram, {len(texts):,} sentences, {ours.shape[1]:,} features, largest difference of a cosine {difference:.1e}"
    )
    print(f"  scikit-learn {peer_s:.2f} s ({len(texts) / peer_s:,.0f} sentences/s)")
    print(f"  ours, in memory (counted once) {once_s:.2f} s: {peer_s / once_s:.1f} times as fast")
    print(f"  ours, as the stage (fit, then embed) {twice_s:.2f} s: {peer_s / twice_s:.1f} times as fast")
    print(
        f"  ours, default settings (accents folded, 2 sentences at least) {default_s:.2f} s: {peer_s / default_s:.1f} times"
    )


def write_laser2(folder: Path, texts: list[str]) -> Path:
    import sentencepiece as spm
    import torch

    from transforms.embed.backends._laser_model import LaserLstm

    spm.SentencePieceTrainer.train(
        sentence_iterator=iter([text.lower() for text in texts]),
        model_prefix=str(folder / "laser2"),
        vocab_size=20_000,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "laser2.model").rename(folder / "laser2.spm")
    processor = spm.SentencePieceProcessor(model_file=str(folder / "laser2.spm"))
    pieces = {processor.id_to_piece(i): i + 1 for i in range(3, processor.get_piece_size())}
    # Not read for LASER2, but asked for by the peer's pipeline.
    (folder / "laser2.cvocab").write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")
    torch.manual_seed(1)
    state = {"params": LASER2, "model": LaserLstm(**LASER2).state_dict(), "dictionary": pieces}
    torch.save(state, folder / "laser2.pt")
    return folder / "laser2.pt"


def in_turns(rounds: int, actions: dict[str, Callable[[], Any]]) -> tuple[dict[str, float], dict[str, Any]]:
    """Run all in turns, several times, as a machine is now faster and now slower; give shortest times and last results."""
    times, results = dict.fromkeys(actions, np.inf), {}
    for _ in range(rounds):
        for name, action in actions.items():
            took_s, results[name] = best_of(1, action)
            times[name] = min(times[name], took_s)
    return times, results


def bench_laser(texts: list[str], count: int, rounds: int) -> None:
    import torch

    from transforms.embed import EmbedSettings
    from transforms.embed.backends._laser_files import import_laser_encoders
    from transforms.embed.backends.laser import LaserEncoder

    import_laser_encoders()
    from laser_encoders import LaserEncoderPipeline
    from laser_encoders.models import SentenceEncoder

    chosen = [texts[i] for i in np.random.default_rng(3).permutation(len(texts))[:count]]
    every = count // 40 or 1
    few = chosen[::every]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = write_laser2(Path(folder), texts)
        gpu = torch.cuda.is_available()
        peer = SentenceEncoder(str(checkpoint), spm_model=str(checkpoint.with_suffix(".spm")), cpu=not gpu, fp16=gpu)
        pipeline = LaserEncoderPipeline(laser="laser2", model_dir=folder)
        settings = EmbedSettings(encoders=("laser",), model=str(checkpoint))
        ours = LaserEncoder(settings)
        small = LaserEncoder(EmbedSettings(encoders=("laser",), model=str(checkpoint), precision="int8", device="cpu"))
        pieces, few_pieces = ([len(ours.pieces(text)) for text in some] for some in (chosen, few))
        print(
            f"\nlaser, random weights of LASER2's size, {count:,} sentences of {np.mean(pieces):.0f} pieces "
            f"(5 to 95 %: {np.percentile(pieces, 5):.0f} to {np.percentile(pieces, 95):.0f}), tokenizing included, "
            f"{torch.get_num_threads()} threads"
        )

        def batched(tokens: int) -> Callable[[], Any]:
            def encode() -> Any:
                peer.max_sentences, peer.max_tokens = None, tokens
                return peer(chosen)

            return encode

        peers = {f"laser_encoders, max_tokens={tokens}": batched(tokens) for tokens in (2000, 4000, 12000)}
        variants = peers | {"ours": lambda: ours.encode(chosen), "ours, int8": lambda: small.encode(chosen)}
        variants["pipeline"] = lambda: pipeline.encode_sentences(few, normalize_embeddings=True)
        ours.encode(few)
        small.encode(few)
        took_s, got = in_turns(rounds, variants)
        for name in peers:
            print(f"    {name}: {count / took_s[name]:.1f} sentences/s")
        best = min(peers, key=took_s.__getitem__)
        theirs_s, ours_s, small_s, default_s = (took_s[name] for name in (best, "ours", "ours, int8", "pipeline"))
        expected, vectors, rough, default = (got[name] for name in (best, "ours", "ours, int8", "pipeline"))
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        difference = max(abs(expected - vectors).max(), abs(np.asarray(default) - vectors[::every]).max())
        # A sentence of the few is as long as one of all, nearly: the rate is that of pieces.
        default_rate = sum(few_pieces) / default_s / np.mean(pieces)
        rate = count / ours_s
        print(f"  largest difference of a value {difference:.1e}")
        print(f"  ours {rate:.1f} sentences/s: {theirs_s / ours_s:.2f} times its best batching ({best})")
        print(f"  {rate / default_rate:.1f} times LaserEncoderPipeline as it is ({default_rate:.1f} sentences/s)")
        print(
            f"  ours, int8 {count / small_s:.1f} sentences/s: {theirs_s / small_s:.2f} times its best batching; "
            f"smallest cosine with float32 {(rough * vectors).sum(axis=1).min():.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SEED, help="folder with lij_Latn and ita_Latn of OLDI Seed")
    parser.add_argument("--laser-sentences", type=int, default=400, help="0: leave LASER out")
    parser.add_argument("--no-ngram", dest="ngram", action="store_false", help="leave n-grams out")
    parser.add_argument("--rounds", type=int, default=4, help="turns of the LASER variants")
    parser.add_argument("--processor", action="store_true", help="measure processor time: for one thread")
    options = parser.parse_args()
    if options.processor:
        global CLOCK  # noqa: PLW0603
        CLOCK = time.process_time
    if not options.data.is_dir():
        sys.exit(f"no folder {options.data}: give --data")
    texts = [
        line
        for name in ("lij_Latn", "ita_Latn")
        for line in (options.data / name).read_text(encoding="utf-8").splitlines()
    ]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}"
    )
    if options.ngram:
        bench_ngram(texts)
    if options.laser_sentences:
        bench_laser(texts, options.laser_sentences, options.rounds)


if __name__ == "__main__":
    main()
