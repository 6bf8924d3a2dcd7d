"""Makes laser_reference/: small checkpoints in the formats of LASER2 and LASER3, and the vectors that fairseq gives.

It ran once, where fairseq runs; the tests need neither it nor fairseq:

    Python 3.10, pip install "numpy==1.26.4" "setuptools<70" "torch==1.12.1" fairseq==0.12.2 laser-encoders
    python tests/transforms/embed/make_laser3_fixture.py

Every checkpoint is written by fairseq's own classes and read again by laser_encoders' `SentenceEncoder`, whose vectors
are the reference. The options of a LASER3 checkpoint come from fairseq's own argument parser. All weights are
random, those of the norms and the biases too: at the values that they are initialized with, a norm left out or put in the
wrong place would hardly show.
"""

import argparse
import json
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from fairseq.data.dictionary import Dictionary
from fairseq.models.transformer import Embedding, TransformerEncoder
from fairseq.modules import LayerNorm
from fairseq.options import get_training_parser, parse_args_and_arch
from laser_encoders.models import LaserLstmEncoder, SentenceEncoder

FOLDER = Path(__file__).with_name("laser_reference")
WIDTH, INNER, HEADS, LAYERS = 16, 20, 4, 2
COPY = re.compile(r"layers\.[0-9]+\.(in_proj|out_proj|fc1|fc2)_(weight|bias)")

SENTENCES = [
    "A Zena o Bacciccia o l’é un nomme che se sente ancon à giorno d’ancheu.",
    "A Genova Battista è un nome che si sente ancora al giorno d'oggi.",
    "El Domm de Milan l'è la gesa pussee granda de la Lombardia.",
    "Il Duomo di Milano è la chiesa più grande della Lombardia.",
    "La lenghe furlane e je une lenghe romanze fevelade in Friûl.",
    "La lingua friulana è una lingua romanza parlata in Friuli.",
    "De Bueb isch hüt am Morge mit em Velo i d Schuel gfahre.",
    "Der Junge ist heute Morgen mit dem Fahrrad in die Schule gefahren.",
    "Dat is en Satz op Platt, un de is nich lang.",
    "Das ist ein Satz auf Platt, und der ist nicht lang.",
    "القاهرة عاصمة مصر واكبر مدينة فيها.",
    "الرباط هي العاصمة ديال المغرب.",
    "यह एक छोटा वाक्य है जो भोजपुरी में लिखा गया है।",
    "I laik tieter, a muvi, an dong taun 3,5 km — 100 %!",
    "Sì.",
    "Bondì",
    "« Perché? » – «No…»",
    "ЖЖЖ 漢字 😀",
    "  two   spaces and a\u200bjoiner ",
    (
        "Coscì o l’à dito: o mâ o l’é grande, o çê o l’é erto, e e montagne son lontan, ma a nòstra lengoa a l’é chì "
        "con noiatri, e chi a parla o no l’à da avei pua de ninte, perché e paròlle son comme e prie de ’na miagia."
    ),
]

VARIANTS = {
    # name: command line of fairseq, what LASER adds, whether a decoder stands beside, whether a last norm is added
    "maxpool": (["--encoder-normalize-before"], {}, False, False),
    "decoder": (["--encoder-normalize-before"], {}, True, False),
    "postnorm": ([], {"left_pad_source": True}, False, False),
    "postnorm-last": (["--activation-fn", "gelu"], {}, False, True),
    "cls": (
        ["--encoder-learned-pos", "--layernorm-embedding", "--activation-fn", "gelu_accurate", "--no-scale-embedding"],
        {"sentemb_criterion": "cls", "prepend_bos": True},
        False,
        False,
    ),
}


def write_pieces() -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([sentence.lower() for sentence in SENTENCES] * 4),
        model_prefix=str(FOLDER / "laser2"),
        vocab_size=200,
        character_coverage=0.98,  # so that some characters are unknown
        hard_vocab_limit=False,
        normalization_rule_name="identity",  # the rules of the others alone would be 240 KB
        minloglevel=2,
    )
    (FOLDER / "laser2.model").rename(FOLDER / "laser2.spm")
    (FOLDER / "laser2.vocab").unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / "laser2.spm"))
    dictionary = Dictionary()
    for number in range(3, pieces.get_piece_size()):
        dictionary.add_symbol(pieces.id_to_piece(number), pieces.get_piece_size() - number)
    dictionary.save(str(FOLDER / "laser2.cvocab"))


def options_of(arguments: list, added: dict) -> argparse.Namespace:
    sizes = {"embed-dim": WIDTH, "ffn-embed-dim": INNER, "attention-heads": HEADS, "layers": LAYERS}
    told = [text for name, size in sizes.items() for text in (f"--encoder-{name}", str(size))]
    command = ["data", "--task", "translation", "--arch", "transformer", *told, *arguments]
    options = parse_args_and_arch(get_training_parser(), input_args=command)
    options.max_source_positions = 256
    options.left_pad_source = False
    options.prepend_bos = False
    options.sentemb_criterion = "maxpool"
    for name, value in added.items():
        setattr(options, name, value)
    return options


def randomized(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, values in sorted(module.named_parameters()):
            if values.dim() == 1:
                values.copy_(0.3 * torch.randn(values.shape, generator=generator) + ("norm.weight" in name))
            else:
                values.copy_(torch.randn(values.shape, generator=generator) * values.shape[-1] ** -0.5)
    return module


def write_transformer(name: str, seed: int) -> Path:
    arguments, added, beside_decoder, last_norm = VARIANTS[name]
    options = options_of(arguments, added)
    dictionary = Dictionary.load(str(FOLDER / "laser2.cvocab"))
    if options.encoder_normalize_before or last_norm:
        dictionary.add_symbol("<mask>")
    encoder = TransformerEncoder(options, dictionary, Embedding(len(dictionary), WIDTH, dictionary.pad()))
    if last_norm:
        encoder.layer_norm = LayerNorm(WIDTH)
    weights = randomized(encoder, seed).state_dict()
    # fairseq 0.12.2 keeps a second copy of each layer's weights, which it fills when it loads a checkpoint. The official
    # checkpoints are older and have none; one that fairseq 0.12.2 trained has it, full of zeros.
    copies = [key for key in weights if COPY.fullmatch(key)]
    for key in copies:
        if last_norm:
            weights[key] = torch.zeros_like(weights[key])
        else:
            del weights[key]
    if beside_decoder:
        weights = {f"encoder.{key}": value for key, value in weights.items()}
        weights["decoder.version"] = torch.tensor([3.0])
        weights["decoder.output_projection.weight"] = torch.zeros(4, WIDTH)
    path = FOLDER / f"laser3-{name}.pt"
    # Before torch 1.6 a checkpoint was no zip file; some that people keep are so old.
    torch.save({"cfg": {"model": options}, "model": weights}, path, _use_new_zipfile_serialization=not beside_decoder)
    return path


def write_lstm() -> Path:
    dictionary = dict(Dictionary.load(str(FOLDER / "laser2.cvocab")).indices)
    params = {
        "num_embeddings": len(dictionary),
        "padding_idx": 1,
        "embed_dim": 12,
        "hidden_size": 8,
        "num_layers": 2,
        "bidirectional": True,
        "left_pad": False,
        "padding_value": 0.0,
    }
    weights = randomized(LaserLstmEncoder(**params), 2).state_dict()
    path = FOLDER / "laser2.pt"
    torch.save({"params": params, "model": weights, "dictionary": dictionary}, path)
    return path


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "sentences.json").write_text(json.dumps(SENTENCES, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    write_pieces()
    paths = [write_lstm()] + [write_transformer(name, seed) for seed, name in enumerate(VARIANTS, start=3)]
    for path in paths:
        encoder = SentenceEncoder(
            str(path),
            spm_vocab=str(FOLDER / "laser2.cvocab"),
            spm_model=str(FOLDER / "laser2.spm"),
            cpu=True,
            max_tokens=300,  # several batches, with padding
        )
        vectors = encoder(SENTENCES)
        alone = np.vstack([encoder([sentence]) for sentence in SENTENCES])
        told = f"{path.name}: {vectors.shape}, largest value {abs(vectors).max():.2f}"
        sys.stdout.write(f"{told}, batched - alone {abs(vectors - alone).max():.1e}\n")
        np.save(path.with_suffix(".npy"), vectors.astype(np.float32))
    made_with = {name: version(name) for name in ("fairseq", "laser-encoders", "torch", "numpy", "sentencepiece")}
    made_with["python"] = platform.python_version()
    (FOLDER / "made_with.json").write_text(json.dumps(made_with, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
