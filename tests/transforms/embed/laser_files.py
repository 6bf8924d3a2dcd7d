"""Makes a small encoder in the format of LASER2: a SentencePiece model of real sentences, random weights."""

from pathlib import Path

SENTENCES = [
    "A Zena o Bacciccia o l’é un nomme che se sente ancon à giorno d’ancheu.",
    "A Genova Battista è un nome che si sente ancora al giorno d'oggi.",
    "El Domm de Milan l'è la gesa pussee granda de la Lombardia.",
    "Il Duomo di Milano è la chiesa più grande della Lombardia.",
    "La lenghe furlane e je une lenghe romanze fevelade in Friûl.",
    "La lingua friulana è una lingua romanza parlata in Friuli.",
    "De Bueb isch hüt am Morge mit em Velo i d Schuel gfahre.",
    "Der Junge ist heute Morgen mit dem Fahrrad in die Schule gefahren.",
    "القاهرة عاصمة مصر واكبر مدينة فيها.",
    "الرباط هي العاصمة ديال المغرب.",
    "यह एक छोटा वाक्य है जो भोजपुरी में लिखा गया है।",
    "I laik tieter, a muvi, an dong taun 3,5 km — 100 %!",
]


def write_laser(
    folder: Path, *, embed_dim: int = 16, hidden_size: int = 12, num_layers: int = 3, symbols: int = 0
) -> Path:
    """Write laser2.pt, laser2.spm and laser2.cvocab into a folder; give the folder."""
    import sentencepiece as spm
    import torch

    from transforms.embed.backends._laser_model import LaserLstm

    spm.SentencePieceTrainer.train(
        sentence_iterator=iter([sentence.lower() for sentence in SENTENCES] * 4),
        model_prefix=str(folder / "laser2"),
        vocab_size=200,
        character_coverage=0.98,  # so that some characters are unknown
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "laser2.model").rename(folder / "laser2.spm")
    processor = spm.SentencePieceProcessor(model_file=str(folder / "laser2.spm"))
    pieces = [processor.id_to_piece(i) for i in range(3, processor.get_piece_size())]
    lines = [f"{piece} {len(pieces) - i}" for i, piece in enumerate(pieces)]
    (folder / "laser2.cvocab").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    params = {
        "num_embeddings": max(symbols, len(pieces) + 4),
        "padding_idx": 1,
        "embed_dim": embed_dim,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "bidirectional": True,
        "left_pad": False,
        "padding_value": 0.0,
    }
    torch.manual_seed(20261120)
    dictionary = {piece: number for number, piece in enumerate(pieces, start=4)}
    dictionary |= {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    torch.save(
        {"params": params, "model": LaserLstm(**params).state_dict(), "dictionary": dictionary}, folder / "laser2.pt"
    )
    return folder
