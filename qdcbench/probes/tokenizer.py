"""A word-level tokenizer: one token a known word, one token a digit, case and punctuation left out."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["EOS", "PAD", "UNKNOWN", "make_tokenizer"]

PAD, UNKNOWN, EOS = "<pad>", "<unk>", "<eos>"


def make_tokenizer(vocabulary: Iterable[str]) -> "PreTrainedTokenizerFast":
    """A tokenizer over lower-case words; its tokens are numbered in alphabetical order after the special ones."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [PAD, UNKNOWN, EOS, *sorted(set(vocabulary))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(r"[^\p{L}\p{N}]+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(individual_digits=True)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=EOS,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )
