"""Word alignment: our simalign beside simalign 0.4, our aligners beside eflomal on links by hand, and speed of association.

    python benchmarks/bench_align.py [--pairs 30] [--layers 12] [--width 768] [--threads 1]
                                     [--gold] [--association 600 5600 64141]

simalign: a BERT of mBERT's size with random weights (speed does not depend on what weights say) and a vocabulary learned
from the sentences, Ligurian - Italian from OLDI Seed. Every link is compared with the peer's. What is printed beside the
ratio tells where it can come from: the multiplications that simalign's forward passes take and ours, and
the share of our time that the bare matrix products of a forward pass take, run alone.
gold (`--gold`): alignment error rate of association, eflomal (where it is installed) and both together, see
docs/align.md for which halves were tuned on.
association: Aranese - Catalan from PILAR. Times are CPU seconds, those of programs that are started among them, so that
a machine that others use too tells the same; with more threads than one they are wall times, to be read as ratios.
"""

import argparse
import gzip
import importlib.util
import logging
import os
import resource
import runpy
import tempfile
import time
from pathlib import Path

from transforms.align import AlignSettings, make_aligner, tokenize
from transforms.align.backends.association import Association

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"


def lines(path):
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return text.rstrip("\n").split("\n")


def cpu_seconds():
    return sum(os.times()[:4])


def timed(action, clock=cpu_seconds):
    start = clock()
    result = action()
    return result, clock() - start


def bench_simalign(options):
    import simalign
    import torch

    from transforms.align.backends.simalign import SimAlign

    logging.disable(logging.INFO)
    torch.set_num_threads(options.threads)
    make_bert = runpy.run_path(str(ROOT / "tests" / "transforms" / "align" / "small_bert.py"))["make_bert"]
    texts = [lines(DATA / "oldi-seed" / "seed" / name) for name in ("lij_Latn", "ita_Latn")]
    pairs = [(tokenize(a), tokenize(b)) for a, b in zip(*texts, strict=True)][: options.pairs]
    layer = min(8, options.layers)
    clock = cpu_seconds if options.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        model = str(
            make_bert(
                Path(folder) / "bert",
                texts[0] + texts[1],
                layers=options.layers,
                width=options.width,
                inner=4 * options.width,
                heads=max(options.width // 64, 1),
                longest=512,
                vocabulary=8000,
            )
        )

        def ours_of(method, token_type, precision):
            return SimAlign(
                AlignSettings(
                    aligner="simalign",
                    model=model,
                    method=method,
                    token_type=token_type,
                    layer=layer,
                    device="cpu",
                    precision=precision,
                )
            )

        print(
            f"simalign: {len(pairs)} pairs, BERT of {options.layers} layers of {options.width}, layer {layer}, CPU,"
            f" threads {options.threads}; pairs a second"
        )
        aligners = {precision: ours_of("inter", "bpe", precision) for precision in ("float32", "int8")}
        tell_bound(options, aligners["float32"], pairs, layer, clock)
        for token_type in options.token_types:
            for letter, method in (("a", "inter"), ("i", "itermax"), ("m", "mwmf")):
                peer = simalign.SentenceAligner(
                    model=model, token_type=token_type, matching_methods=letter, layer=layer
                )
                peer.get_word_aligns(*map(list, pairs[0]))
                expected, peer_s = timed(
                    lambda peer=peer: [peer.get_word_aligns(list(s), list(t)) for s, t in pairs], clock
                )
                cells = [set(links[method]) for links in expected]
                told = f"  {token_type:4} {method:7} simalign {len(pairs) / peer_s:6.2f}"
                for precision in ("float32", "int8"):
                    ours = ours_of(method, token_type, precision)
                    ours.align(pairs[:1])
                    found, ours_s = timed(lambda ours=ours: ours.align(pairs), clock)
                    own = [{(link.source, link.target) for link in links} for links in found]
                    told += f"  {precision} {len(pairs) / ours_s:6.2f} ratio {peer_s / ours_s:5.2f}"
                    if precision == "float32":
                        told += f" pairs with other links {sum(a != b for a, b in zip(own, cells, strict=True))}"
                    else:
                        same = sum(len(a & b) for a, b in zip(own, cells, strict=True))
                        told += f" F1 with simalign's links {2 * same / sum(len(a) + len(b) for a, b in zip(own, cells, strict=True)):.3f}"
                print(told, flush=True)


def tell_bound(options, ours, pairs, layer, clock):
    """Print the multiplications of both, and how much of our time the products of a forward pass take alone."""
    import torch

    sides = ours._pieces([side for pair in pairs for side in pair])  # noqa: SLF001 -- what it cuts words into
    lengths = [len(side.ids) + 2 for side in sides]
    rows = sum(lengths)
    padded = sum(2 * max(a, b) for a, b in zip(lengths[::2], lengths[1::2], strict=True))
    ours.align(pairs[:1])
    _, whole_s = timed(lambda: ours.align(pairs), clock)
    width = options.width
    given, inner = torch.randn(min(rows, 4096), width), torch.randn(512, 4 * width)
    shapes = [(given, 3 * width), (given[:512], width), (given[:512], 4 * width), (inner, width)]
    alone_s = {"PyTorch's": 0.0, "NumPy's": 0.0}
    for some, out in shapes:
        weight = torch.randn(out, some.shape[1])
        products = {
            "PyTorch's": lambda some=some, weight=weight: torch.nn.functional.linear(some, weight),
            "NumPy's": lambda some=some, weight=weight: some.numpy() @ weight.numpy().T,
        }
        for library, product in products.items():
            product()
            # os.times counts hundredths: many products are timed together
            _, many_s = timed(lambda product=product: [product() for _ in range(20)], clock)
            alone_s[library] += many_s / 20 * rows / len(some) * layer
    work = rows * layer * 12 * width * width * 2
    print(
        f"  multiplications: simalign {padded * options.layers / (rows * layer):.2f} times ours"
        f" (layers {options.layers} for {layer}, padding {padded / rows:.2f});"
        f" {work / whole_s / 1e9:.0f} GFLOP/s of products in ours; the products alone, of its time: "
        + ", ".join(f"{library} {seconds / whole_s:.0%}" for library, seconds in alone_s.items()),
        flush=True,
    )


def bench_gold():
    """Print error rates: development half (even sentences) and the other, of association, eflomal, and both together."""
    gold = runpy.run_path(str(ROOT / "tests" / "quality" / "test_alignment.py"))
    aligners = {"association": AlignSettings()}
    if importlib.util.find_spec("eflomal"):
        ways = ("intersection", "union", "grow-diag-final-and")
        aligners |= {f"eflomal {way}": AlignSettings(aligner="eflomal", symmetrization=way) for way in ways}
        aligners["association+eflomal"] = AlignSettings(aligner="association+eflomal")
    else:
        print("eflomal is not installed (pip install eflomal; GPL-3): left out")
    english_french, gold_english_french = gold["awesome_align"](DATA / "awesome-align-gold", "enfr")
    romanian_english, gold_romanian_english = gold["awesome_align"](DATA / "awesome-align-gold", "roen")
    french_english, gold_french_english = gold["alibi"](DATA / "alibi-fren")
    sets = {
        "en-fr": (english_french, gold["turned"](french_english), gold_english_french),
        "ro-en": (romanian_english, [], gold_romanian_english),
        "fr-en-stories": (french_english, gold["turned"](english_french), gold_french_english),
    }
    for language in ("it", "de"):
        for number in (248, 600):
            pairs, links = gold["invented"](DATA, language, number)
            sets[f"invented-{language}-{number}"] = (pairs, [], links)
    print("alignment error rate: even sentences (development), odd sentences, all; seconds")
    for name, (pairs, more, links) in sets.items():
        for called, settings in aligners.items():
            aligner = make_aligner(settings)

            def run(aligner=aligner, pairs=pairs, more=more):
                aligner.load(aligner.train([*pairs, *more]))
                return aligner.align(pairs)

            found, seconds = timed(run)
            rates = [gold["error_rate"](found[part], links[part]) for part in (slice(0, None, 2), slice(1, None, 2))]
            rates.append(gold["error_rate"](found, links))
            print(f"  {name:16} {called:28} {rates[0]:.3f} {rates[1]:.3f} {rates[2]:.3f} {seconds:6.1f} s", flush=True)


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
    parser.add_argument("--pairs", type=int, default=30, help="pairs for simalign; 0: leave it out")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--threads", type=int, default=1, help="of both, for simalign")
    parser.add_argument("--token-types", nargs="*", default=["bpe", "word"])
    parser.add_argument("--gold", action="store_true", help="error rates beside eflomal")
    parser.add_argument("--association", type=int, nargs="*", default=[600, 5600, 64141])
    options = parser.parse_args()
    if options.pairs:
        bench_simalign(options)
    if options.gold:
        bench_gold()
    if options.association:
        bench_association(options)


if __name__ == "__main__":
    main()
