"""`sentence_transformers`: any model folder that the library of that name reads, such as LaBSE or a multilingual E5.

The model's own modules do the work: its tokenizer, its network, its pooling and what follows them. Batches are cut here,
so that a text's vector depends on the text alone (see `_running`). A model whose first module is no transformer takes one
text at a time. Vectors get length 1.

Nothing is downloaded unless `embed.sentence_transformers.download` allows it, and code that comes with a model is never
run; weights that are pickles are read as tensors alone, by the library's own loader.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import sentence_transformers
import torch
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.identity import content_digest
from transforms.common.blocks import normalize_rows
from transforms.common.models import local_model
from transforms.embed.backends._running import (
    Running,
    Sequence_,
    check_steady,
    device_and_precision,
    dtype_of,
    encode_ahead,
    refuse_not_finite,
)
from transforms.embed.settings import EmbedSettings

PATH = "$.embed.sentence_transformers.model"
_ROW_WISE = {"Transformer", "Pooling", "Normalize"}
"""Modules that multiply no matrix whose rows are sentences: a product of fewer than four rows is rounded otherwise."""
_NOT_READ = (".md", ".git", ".onnx", ".h5", ".msgpack", ".lock", ".png", ".csv")


class SentenceTransformersEncoder:
    """Embeds texts by one model folder.

    Args:
        settings: model, device, precision, token budget.
        model: the folder, or a name; see `model_for`.

    Raises:
        SettingsError: a folder that is none of the library's, or damaged; a GPU that is not there.
    """

    kind = "dense"

    def __init__(self, settings: EmbedSettings, model: str = "") -> None:
        folder = find_folder(settings, model or self.model_for(settings, ""))
        self._device, self._precision = _placed_on(settings)
        network = _loaded(folder).to(self._device, dtype_of(self._precision)).eval()
        self._network = network
        own = settings.sentence_transformers
        self._prompt = own.prompt or network.prompts.get(network.default_prompt_name or "", "")
        self._is_transformer = type(network[0]).__name__ == "Transformer" and hasattr(network.tokenizer, "pad_token_id")
        longest = network.max_seq_length or settings.longest_text
        tokens = 0
        if self._is_transformer:
            network.max_seq_length = min(int(longest), settings.longest_text)
            self._type_ids = "token_type_ids" in (network.tokenizer.model_input_names or ())
            self._prompt_pieces = self._pieces_of_prompt()
        self.dimension = int(self._one_by_one(["a"]).shape[1])
        if self._is_transformer:
            self._running = Running(
                self._forward,
                dimension=self.dimension,
                device=self._device,
                tokens=settings.token_budget,
                pad=network.tokenizer.pad_token_id or 0,
                mixes=False,
                rows_step=0 if self._device.type == "cuda" else 1 if _is_row_wise(network) else 4,
            )
            tokens = self._running.tokens if self._device.type == "cuda" else 0
        libraries = [f"{name} {version(name)}" for name in ("sentence-transformers", "transformers")]
        told = [folder_digest(folder), self._precision, tokens, network.max_seq_length, self._prompt, libraries]
        self.name = f"sentence_transformers:{content_digest(json.dumps([*told, self._device.type]).encode())}"

    @staticmethod
    def model_for(settings: EmbedSettings, variety: str) -> str:  # noqa: ARG004  # one model for all varieties
        """Give the folder or name of the model: one for all varieties."""
        model = settings.sentence_transformers.model
        if not model:
            raise SettingsError(
                "no model is named",
                path=PATH,
                cure="Give the folder of a model that sentence_transformers has saved.",
            )
        return model

    @staticmethod
    def check(settings: EmbedSettings, model: str) -> None:
        """Find and load a model.

        Raises:
            SettingsError: as when it is made.
        """
        _placed_on(settings)
        _loaded(find_folder(settings, model))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: (texts, dimension) float32, rows of length 1.

        Raises:
            SettingsError: the model gives a vector with values that are not finite.
        """
        if self._is_transformer:
            vectors = encode_ahead(texts, self.pieces, self._running.vectors, self.dimension)
        else:
            vectors = self._one_by_one(texts)
        refuse_not_finite(vectors, texts, self._precision, PATH)
        normalize_rows(vectors)
        return vectors

    def pieces(self, texts: Sequence[str]) -> list[Sequence_]:
        """Give the numbers of texts' pieces, as the network reads them."""
        features = self._network.preprocess([self._prompt + _readable(text) for text in texts])
        there = features["attention_mask"].bool()
        return [
            tuple(ids[mask].tolist()) or (self._network.tokenizer.pad_token_id or 0,)
            for ids, mask in zip(features["input_ids"], there, strict=True)
        ]

    @cached_property
    def is_steady(self) -> bool:
        """Does a text have the same vector, bit for bit, in any company?"""
        if not self._is_transformer:
            return True
        probes = self.pieces([" ".join(["a ab abc"] * words) for words in (1, 2, 3, 5, 6)])
        return check_steady(self._running.vectors, probes)

    def _forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        there = lengths.to(tokens.device)
        mask = (torch.arange(tokens.shape[1], device=tokens.device)[None, :] < there[:, None]).long()
        features: dict[str, Any] = {"input_ids": tokens, "attention_mask": mask}
        if self._type_ids:
            features["token_type_ids"] = torch.zeros_like(tokens)
        if self._prompt_pieces:
            features["prompt_length"] = self._prompt_pieces
        return self._network(features)["sentence_embedding"]  # type: ignore[no-any-return]

    def _one_by_one(self, texts: Sequence[str]) -> NDArray[np.float32]:
        made = []
        with torch.inference_mode():
            for text in texts:
                features = self._network.preprocess([self._prompt + _readable(text)])
                on_device = {
                    name: value.to(self._device) if isinstance(value, torch.Tensor) else value
                    for name, value in features.items()
                }
                made.append(self._network(on_device)["sentence_embedding"].float().cpu().numpy())
        return np.concatenate(made) if made else np.zeros((0, self.dimension), dtype=np.float32)

    def _pieces_of_prompt(self) -> int:
        """Give how many pieces of the prompt the pooling leaves out; 0 where it leaves none."""
        if not self._prompt or all(getattr(module, "include_prompt", True) for module in self._network):
            return 0
        ids = self._network.preprocess([self._prompt])["input_ids"][0].tolist()
        ends = ids[-1] in self._network.tokenizer.all_special_ids
        return len(ids) - ends


def find_folder(settings: EmbedSettings, model: str) -> Path:
    """Give the folder of a model, by path or address or, where downloads are allowed, by name.

    Raises:
        SettingsError: there is none, or it cannot be downloaded.
    """
    folder = Path(local_model(model, setting=PATH)).expanduser()
    if folder.is_dir():
        if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
            raise SettingsError(
                f"{model!r} is no folder of a model: it has neither modules.json nor config.json",
                path=PATH,
                cure="Give the folder that SentenceTransformer.save_pretrained wrote.",
            )
        return folder
    if folder.exists() or model.count("/") > 1 or model.startswith(("/", ".", "~")):
        raise SettingsError(
            f"{model!r} is no folder", path=PATH, cure="Give the folder that SentenceTransformer.save_pretrained wrote."
        )
    if not settings.sentence_transformers.download:
        raise SettingsError(
            f"there is no folder {model!r}, and a model is not downloaded unasked",
            path=PATH,
            cure="Give a model's folder; or set embed.sentence_transformers.download = true to fetch it by name.",
        )
    from huggingface_hub import snapshot_download

    name = model if "/" in model else f"sentence-transformers/{model}"
    try:
        return Path(snapshot_download(name, cache_dir=settings.cache or None))
    except Exception as error:  # a name that is none, a network that is not there: each raises something of its own
        raise SettingsError(
            f"{name} cannot be downloaded: {_first_line(error)}",
            path=PATH,
            cure="Check the name and the connection, or give the folder of a model.",
        ) from error


def folder_digest(folder: Path) -> str:
    """Give the digest of all files of a model folder that a vector may depend on: their names and bytes."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.name.startswith(".") or name.lower().endswith(_NOT_READ):
            continue
        with path.open("rb") as file:
            whole.update(f"{len(name)} {name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def _loaded(folder: Path) -> Any:
    """Load a model on the CPU.

    Raises:
        SettingsError: it cannot be read, or would run code of its own.
    """
    for module in _modules(folder):
        kind = module.get("type", "") if isinstance(module, Mapping) else ""
        if not str(kind).startswith("sentence_transformers."):
            raise SettingsError(
                f"{str(folder)!r} has the module {kind!r}, whose code comes with the model and is not run",
                path=PATH,
                cure="Use a model made of the library's own modules.",
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return sentence_transformers.SentenceTransformer(
                str(folder), device="cpu", trust_remote_code=False, local_files_only=True
            )
    except Exception as error:  # a reader of damaged files fails in as many ways as files are damaged
        raise SettingsError(
            f"{str(folder)!r} cannot be read as a model of sentence_transformers: {_first_line(error)}",
            path=PATH,
            cure="It is incomplete, damaged, or no model folder; files that would run code are refused.",
        ) from error


def _modules(folder: Path) -> Iterator[Any]:
    path = folder / "modules.json"
    if not path.is_file():
        return
    try:
        told = json.loads(path.read_bytes())
    except ValueError as error:
        raise SettingsError(f"{str(path)!r} is no JSON: {error}", path=PATH) from error
    if not isinstance(told, list) or not told:
        raise SettingsError(f"{str(path)!r} names no modules", path=PATH)
    yield from told


def _placed_on(settings: EmbedSettings) -> tuple[torch.device, str]:
    if settings.precision == "int8":
        raise SettingsError(
            "precision int8 is for LASER", path="$.embed.precision", cure="Use auto, float32, float16 or bfloat16."
        )
    return device_and_precision(settings)


def _is_row_wise(network: Any) -> bool:
    return all(type(module).__name__ in _ROW_WISE for module in network)


def _readable(text: str) -> str:
    """Give the text without halves of surrogate pairs, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


BACKEND = SentenceTransformersEncoder
