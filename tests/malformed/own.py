"""Code of one's own that cannot be used: named by studies, found beside them."""

from __future__ import annotations

from tests.malformed.case import Case, case

MINE = """\
import numpy as np

ready = 3


def train(trial, streams, report):
    return {"test_loss": 1.0}


def two(trial, streams):
    return {}


def pairs():
    return np.zeros((20, 2)), np.zeros(19)


def nothing():
    return None


def holes():
    inputs = np.zeros((20, 2))
    inputs[3] = np.nan
    return inputs, np.arange(20) % 2


def texts():
    return np.array(["a"] * 20), np.arange(20) % 2


def alone():
    return np.zeros((20, 2)), np.zeros(20, int)


def few():
    return np.zeros((3, 2)), np.array([0, 1, 0])


def loses():
    raise FileNotFoundError("where.csv")


def draws():
    return np.random.rand(20, 2), np.arange(20) % 2


def score(outputs, targets):
    return 1 / 0


def loss(outputs):
    return outputs


def model(inputs, outputs, width):
    return None


def built(inputs, outputs):
    return 3


def breaks(inputs, outputs):
    raise RuntimeError("no weights today")
"""
FILES = {
    "mine.py": MINE,
    "broken.py": "def f(:\n",
    "failing.py": "1 / 0\n",
    "script.py": "raise SystemExit(3)\n",
    "needy.py": "import tensorfow_of_somebody\n",
    "latin.py": "x = 'größer'\n".encode("latin-1"),
}


def _own(name: str, text: str, field: str, *said: str) -> Case:
    return case(name, text, field, *said, files=FILES)


def _train(name: str, text: str, field: str, *said: str) -> Case:
    return case(name, f"{text}\nmetric: test_loss", field, *said, files=FILES, train=True)


HANDED = [
    _train("no function", "train: mine:trian  # !", "train.function", "did you mean train?"),
    _train("no module", "train: mien:train  # !", "train.function", "no module 'mien'", "folder"),
    _train("no colon", "train: mine  # !", "train.function", "write package.module:function"),
    _train("two arguments", "train: mine:two  # !", "train.function", "(trial, streams, report)"),
    _train("a number", "train: mine:ready  # !", "train.function", "is no function"),
    _train("bad Python", "train: broken:f  # !", "train.function", "SyntaxError"),
    _train("bad letters", "train: latin:f  # !", "train.function", "cannot be imported"),
    _train("a module that fails", "train: failing:f  # !", "train.function", "ZeroDivisionError",
           "failing.py:1"),
    _train("a module that ends all", "train: script:f  # !", "train.function", "__main__"),
    _train("a module's needs", "train: needy:f  # !", "train.function", "no module 'tensorfow"),
    _train("nothing", "train:  # !", "train", "expected a mapping of fields"),
    _train("no such stream", "train: {function: 'mine:train', streams: [inti]}  # !",
           "train.streams", "did you mean init?"),
    _train("a parameter of Python's", "train: {function: 'mine:train', parameters: {if: 1}}  # !",
           "train.parameters.if", "a word of Python's own"),
    _train("a parameter of trials'", "train: {function: 'mine:train', parameters: {id: 1}}  # !",
           "train.parameters.id", "take another name"),
    _train("a parameter in depth", "train: {function: 'mine:train', parameters: {a: {b: 1}}}  # !",
           "train.parameters.a", "a parameter is a number, text"),
    _train("an undeclared factor", "train: mine:train\nfactors: {lr: [1, 2]}  # !", "factors.lr",
           "declare it under train.parameters"),
    _train("a model beside it", "train: mine:train\ninit: normal  # !", "init", "no effect beside"),
    _train("a stream that it leaves", "train: mine:train\nreplicates: {mask: 4}  # !",
           "replicates.mask", "no cell consumes mask"),
    case("no metric", "train: 'mine:train'", "metric", "is missing", files=FILES, train=True),
]  # fmt: skip

METRICS = [
    _own("no such metric", "evaluation: {metrics: ['mine:scroe']}  # !", "evaluation.metrics[0]",
         "cannot be imported", "scroe"),
    _own("no such module", "evaluation: {metrics: ['mien:score']}  # !", "evaluation.metrics[0]",
         "cannot be imported"),
    _own("no colon", "evaluation: {metrics: [score]}  # !", "evaluation.metrics[0]",
         "package.module:function"),
    _own("not callable", "evaluation: {metrics: ['mine:ready']}  # !", "evaluation.metrics[0]",
         "is no function"),
    _own("one argument", "evaluation: {metrics: ['mine:loss']}  # !", "evaluation.metrics[0]",
         "must take two arguments: outputs and targets"),
    _own("a failing module", "evaluation: {metrics: ['failing:f']}  # !", "evaluation.metrics[0]",
         "division by zero"),
    _own("bad Python", "evaluation: {metrics: ['broken:f']}  # !", "evaluation.metrics[0]",
         "cannot be imported"),
    _own("a module that ends all", "evaluation: {metrics: ['script:f']}  # !",
         "evaluation.metrics[0]", "cannot be imported"),
    _own("text", "evaluation: {metrics: 'mine:score'}  # !", "evaluation.metrics", "write ["),
]  # fmt: skip

PARTS = [
    _own("no such function", "data: mine:paris  # !", "data", "'mine:paris' cannot be imported"),
    _own("no such module", "model: mien:model  # !", "model", "cannot be imported", "mien"),
    _own("a module that ends all", "loss: script:f  # !", "loss", "cannot be imported"),
    _own("a failing module", "init: failing:f  # !", "init", "division by zero"),
    _own("bad Python", "model: broken:f  # !", "model", "cannot be imported"),
    _own("no name", "model: 'mine:'  # !", "model", "cannot be imported"),
    _own("no module", "model: ':model'  # !", "model", "cannot be imported"),
    _own("a path", "model: ../mine.py:model  # !", "model", "cannot be imported"),
    _own("a number", "model: mine:ready  # !", "model", "is not a part of kind model"),
    _own("an unannotated setting", "model: mine:model  # !", "model", "width needs an annotation"),
    _own("too few arguments", "loss: mine:loss  # !", "loss", "takes 1 arguments by position"),
    _own("no network", "model: mine:built  # !", "model", "not a torch.nn.Module"),
    _own("a network that fails", "model: mine:breaks  # !", "model", "no weights today"),
    _own("a part of another kind", "model: mine:two  # !", "model", "streams needs another name"),
    _own("lengths", "data: mine:pairs  # !", "data", "targets of shape (19,)"),
    _own("nothing", "data: mine:nothing  # !", "data", "(inputs, targets) would be right"),
    _own("not a number", "data: mine:holes  # !", "data", "no finite number in example 4"),
    _own("text", "data: mine:texts  # !", "data", "not plain numbers"),
    _own("one class", "data: mine:alone  # !", "data", "0 to K - 1"),
    _own("few", "data: mine:few  # !", "data", "too few to split in three"),
    _own("data that fail", "data: mine:loses  # !", "data", "FileNotFoundError: where.csv"),
    _own("global draws", "data: mine:draws  # !", "data", "draws from a global generator"),
    _own("a strange setting", "data: {name: 'mine:pairs', n: 3}  # !", "data.n", "has no fields"),
]  # fmt: skip
