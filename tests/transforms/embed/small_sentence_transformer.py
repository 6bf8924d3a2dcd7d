"""A small model folder of sentence_transformers: a BERT with random weights and a pooling. No download."""

import runpy
from pathlib import Path

make_bert = runpy.run_path(str(Path(__file__).parents[1] / "align" / "small_bert.py"))["make_bert"]


def write_sentence_transformer(folder: Path, texts: list[str], *, dense: bool = False, static: bool = False) -> Path:
    """Write a model folder: mean pooling; with `dense` a projection and a normalization behind it.

    With `static` it has no transformer: a table of vectors by piece, averaged.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, StaticEmbedding
    from tokenizers import Tokenizer

    width = 24
    bert = make_bert(folder.with_name(f"{folder.name}-bert"), texts, layers=2, width=width, heads=2, longest=128)
    torch.manual_seed(3)
    if static:
        tokenizer = Tokenizer.from_file(str(bert / "tokenizer.json"))
        modules = [StaticEmbedding(tokenizer, embedding_dim=width)]
    else:
        modules = [Transformer(str(bert), max_seq_length=64), Pooling(width, "mean")]
        if dense:
            modules += [Dense(width, 10), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder))
    return folder
