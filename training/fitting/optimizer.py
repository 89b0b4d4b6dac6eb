"""Adam, and how its learning rate rises and falls."""

import keras

from training.fitting.recipe import Recipe


def optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The recipe's, for ``steps`` steps an epoch."""
    rate = _learning_rate(recipe, steps)
    if recipe.fit.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=recipe.fit.weight_decay)
    return keras.optimizers.Adam(rate)


def _learning_rate(recipe: Recipe, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    peak = recipe.fit.learning_rate
    if recipe.fit.schedule == "constant":
        return peak
    warmup = int(recipe.fit.warmup_epochs * steps)
    decay = max(1, steps * recipe.fit.epochs - warmup)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(peak, decay)
    return keras.optimizers.schedules.CosineDecay(0.0, decay, warmup_target=peak, warmup_steps=warmup)
