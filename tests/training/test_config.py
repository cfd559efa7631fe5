"""Configurations refuse nonsense, in one sentence that names the key."""

import pytest

from passo.errors import ConfigError
from passo.training import parse_settings, train_config


def test_words_nest_with_dots_and_values_are_read_as_literals() -> None:
    words = ["dataset=mnist", "dataset.per_class=30", "model=mlp", "model.hidden=[64, 32]", "optimizer=adam",
             "optimizer.betas=[0.9, 0.99]", "lr=0.01", "schedule=StepLR", "schedule.step_size=2"]  # fmt: skip
    config = train_config(parse_settings(words))
    assert config.dataset.per_class == 30
    assert config.model.options == {"hidden": [64, 32]}
    assert config.optimizer.options == {"betas": [0.9, 0.99], "lr": 0.01}
    assert config.schedule is not None
    assert config.schedule.options == {"step_size": 2}


def test_the_learning_rate_that_torch_would_take_is_written_down() -> None:
    assert train_config({"optimizer": "sgd"}).optimizer.options["lr"] == 0.001
    assert train_config({"optimizer": "adadelta"}).optimizer.options["lr"] == 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["optimizer=adm"], "unknown optimizer 'adm'. Did you mean 'adam'"),
        (["optimizer=adam", "optimizer.momentum=0.9"], "adam has no argument 'momentum'"),
        (["lr=-0.1"], "lr must be > 0, got -0.1"),
        (["lr=0"], "lr must be > 0, got 0"),
        (["epoch=3"], "unknown key 'epoch'. Did you mean 'epochs'"),
        (["epochs=0"], "epochs must be ≥ 1, got 0"),
        (["epochs=many"], "epochs must be a whole number, got 'many'"),
        (["dataset.nme=x"], "unknown key 'dataset.nme'. Did you mean 'dataset.name'"),
        (
            ["dataset.scale=standard"],
            "dataset.scale must be 'standardize', 'normalize', 'symmetric' or 'none', got 'standard'",
        ),
        (["model=lenett"], "unknown model 'lenett'. Did you mean 'lenet'"),
        (["model.hiden=3", "model=mlp"], "unknown option of model mlp 'hiden'"),
        (["schedule=stepp"], "unknown schedule 'stepp'"),
        (["schedule=CyclicLR"], "max_lr"),
        (["batch_size=0"], "batch_size must be ≥ 1, got 0"),
        (["average=1.5"], "average must be < 1, got 1.5"),
        (["batch_size=many"], "batch_size must be a whole number or 'all', got 'many'"),
        (["dataset.validation=some"], "dataset.validation must be a number, got 'some'"),
        (["decay_biases=maybe"], "decay_biases must be true or false, got 'maybe'"),
        (["device=3"], "device must be a word, got 3"),
        (["record=all"], "record must be a table of options, got 'all'"),
        (["l1=1e999"], "l1 must be finite, got inf"),
        (["per_class=3"], "unknown key 'per_class'. Did you mean 'dataset.per_class'"),
        (["momentum=0.9"], "unknown key 'momentum'. Did you mean 'optimizer.momentum'"),
        (["snapshots=[1]"], "unknown key 'snapshots'. Did you mean 'record.snapshots'"),
        (["epochs"], "expected key=value, got 'epochs'"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_key(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        train_config(parse_settings(words))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_configuration_survives_json() -> None:
    config = train_config({"dataset": "mnist", "optimizer": {"name": "adam", "betas": [0.8, 0.9]}, "schedule":
                           {"name": "ExponentialLR", "gamma": 0.9}})  # fmt: skip
    assert type(config).model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("word", "told"),
    [("epochs", r"got 'epochs' \(as in epochs=…, without spaces\)"), ("houses.csv", r"\(dataset=houses.csv\)")],
)
def test_a_word_without_a_value_is_answered_with_how_it_is_written(word: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_settings([word])
