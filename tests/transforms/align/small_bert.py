"""A BERT of any size with random weights and a WordPiece vocabulary learned from real sentences. No download.

Random layers forget the words: attention by random queries looks at one word only where weights are large, at all alike
where they are small, and after a dozen layers all vectors of a sentence are nearly one. Here weights are scaled by
width, so that attention looks at some words more than at others, and what a layer adds is scaled down by depth, so
that what it reads is still there at the end: vectors of different words stay different at any depth.
"""


def make_bert(folder, texts, *, layers=3, width=48, heads=4, longest=64, vocabulary=400, max_length=None, inner=None):
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
        intermediate_size=inner or 2 * width,
        max_position_embeddings=longest,
        initializer_range=width**-0.5,
    )
    model = BertModel(config)
    with torch.no_grad():
        # the embeddings' spread is one in each dimension; place counts half as much as the word
        model.embeddings.word_embeddings.weight.mul_(width**0.5)
        model.embeddings.position_embeddings.weight.mul_(0.5 * width**0.5)
        for layer in model.encoder.layer:
            for part in (layer.attention.output.dense, layer.output.dense):
                part.weight.mul_((2 * layers) ** -0.5)
            for part in (layer.attention.self.query, layer.attention.self.key):
                part.weight.mul_(2.0)
    model.save_pretrained(folder)
    return folder
