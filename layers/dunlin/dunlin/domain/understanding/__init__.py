"""What a borrower's text asks for. `understand` reads it; the lexicon it reads with is content."""

from dunlin.domain.understanding.lexicon import IntentRule, IntentWeights, Lexicon
from dunlin.domain.understanding.reading import understand

__all__ = ["IntentRule", "IntentWeights", "Lexicon", "understand"]
