"""Word alignment: our simalign beside simalign 0.4 in one run, and the association aligner's speed.

    python benchmarks/bench_align.py [--pairs 200] [--layers 4] [--width 256] [--association 600 5600 64141]

The model is a BERT with random weights and a vocabulary learned from the sentences: speed does not depend on
what weights say. Sentences: Ligurian - Italian from OLDI Seed; Aranese - Catalan from PILAR for association.
Times are wall times on one thread; read them as ratios. Every link is compared with the peer's.
"""

import argparse
import gzip
import logging
import os
import resource
import runpy
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from transforms.align import AlignSettings, tokenize
from transforms.align.backends.association import Association

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"


def lines(path):
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return text.rstrip("\n").split("\n")


def timed(action):
    start = time.perf_counter()
    result = action()
    return result, time.perf_counter() - start


def bench_simalign(options):
    import simalign
    import torch

    from transforms.align.backends.simalign import SimAlign

    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    make_bert = runpy.run_path(str(ROOT / "tests" / "transforms" / "align" / "small_bert.py"))["make_bert"]
    texts = [lines(DATA / "oldi-seed" / "seed" / name) for name in ("lij_Latn", "ita_Latn")]
    pairs = [(tokenize(a), tokenize(b)) for a, b in zip(*texts, strict=True)][: options.pairs]
    layer = min(8, options.layers)
    with tempfile.TemporaryDirectory() as folder:
        model = str(
            make_bert(
                Path(folder) / "bert",
                texts[0] + texts[1],
                layers=options.layers,
                width=options.width,
                heads=max(options.width // 64, 1),
                longest=512,
                vocabulary=8000,
            )
        )
        print(
            f"simalign: {len(pairs)} pairs, BERT of {options.layers} layers of {options.width}, layer {layer}, CPU, one thread"
        )
        for token_type in ("bpe", "word"):
            for letter, method in (("a", "inter"), ("i", "itermax"), ("m", "mwmf")):
                peer = simalign.SentenceAligner(
                    model=model, token_type=token_type, matching_methods=letter, layer=layer
                )
                settings = AlignSettings(
                    aligner="simalign", model=model, method=method, token_type=token_type, layer=layer, device="cpu"
                )
                ours = SimAlign(settings)
                expected, peer_s = timed(lambda peer=peer: [peer.get_word_aligns(list(s), list(t)) for s, t in pairs])
                found, ours_s = timed(lambda ours=ours: ours.align(pairs))
                different = sum(
                    [(link.source, link.target) for link in links] != theirs[method]
                    for links, theirs in zip(found, expected, strict=True)
                )
                print(
                    f"  {token_type:4} {method:7} simalign {len(pairs) / peer_s:8.1f} pairs/s  ours {len(pairs) / ours_s:8.1f}"
                    f"  ratio {peer_s / ours_s:6.1f}  pairs with other links {different}"
                )


def bench_association(options):
    sides = [lines(DATA / "pilar-aranese" / f"sentences.{name}.txt.gz") for name in ("aranese", "catalan")]
    pairs = [(tokenize(a), tokenize(b)) for a, b in zip(*sides, strict=True)]
    pairs = [pair for pair in pairs if all(1 <= len(side) <= 500 for side in pair)]
    Association(AlignSettings()).align(pairs[:3])  # compiled, or read from the cache of compiled code
    print("association: Aranese - Catalan, one thread")
    for number in options.association:
        some = pairs[:number]
        cells = sum(len(s) * len(t) for s, t in some)
        aligner = Association(AlignSettings())
        learned, train_s = timed(lambda aligner=aligner, some=some: aligner.train(some))
        _, load_s = timed(lambda aligner=aligner, learned=learned: aligner.load(learned))
        _, align_s = timed(lambda aligner=aligner, some=some: aligner.align(some))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"  {len(some):7} pairs, {cells / 1e6:7.1f} M cells: learn {train_s:7.2f} s, load {load_s:6.2f} s,"
            f" link {align_s:6.2f} s ({len(some) / align_s:,.0f} pairs/s), table {len(learned) / 1e6:.1f} MB, peak {peak:,.0f} MB"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200, help="pairs for simalign; 0: leave it out")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--association", type=int, nargs="*", default=[600, 5600, 64141])
    options = parser.parse_args()
    if options.pairs:
        bench_simalign(options)
    if options.association:
        bench_association(options)


if __name__ == "__main__":
    main()
