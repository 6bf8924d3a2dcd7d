"""A small BERT with random weights and a WordPiece vocabulary learned from real sentences. No download."""


def make_bert(folder, texts, *, layers=3, width=48, heads=4, longest=64, vocabulary=400, max_length=None):
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    learner = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    learner.train_from_iterator(list(texts), vocab_size=vocabulary, min_frequency=1, show_progress=False)
    folder.mkdir(parents=True, exist_ok=True)
    learner.save_model(str(folder))
    tokenizer = BertTokenizerFast(
        vocab=str(folder / "vocab.txt"),
        do_lower_case=False,
        strip_accents=False,
        model_max_length=max_length or longest,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=2 * width,
        max_position_embeddings=longest,
        # spread wider than for training: random vectors of neighbouring words would look alike otherwise
        initializer_range=0.3,
    )
    BertModel(config).save_pretrained(folder)
    return folder
