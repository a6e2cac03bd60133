"""The data sets that can be downloaded: addresses, bytes and checksums."""

from __future__ import annotations

from dataclasses import dataclass

from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion
from randstudy.tasks.cifar import TEST, TRAIN


@dataclass(frozen=True)
class Remote:
    """A file on the network: its name here, bytes and SHA-256, and addresses in order of trial."""

    name: str
    size: int
    sha256: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Collection:
    """A data set that can be had: what it is, its files, and what is made of them.

    Attributes
    ----------
    members : files in an archive that are unpacked beside it, with their SHA-256; the archive is
        then removed.
    by_hand : how it is to be had where no address with a known checksum exists.
    """

    name: str
    what: str
    folder: str
    files: tuple[Remote, ...] = ()
    members: tuple[tuple[str, str], ...] = ()
    by_hand: str = ""

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)


def _idx(mirrors: tuple[str, ...], files: tuple[tuple[str, int, str], ...]) -> tuple[Remote, ...]:
    return tuple(
        Remote(name, size, sha256, tuple(f"{mirror}{name}" for mirror in mirrors))
        for name, size, sha256 in files
    )


MNIST = Collection(
    "mnist",
    "70,000 handwritten digits, 28 x 28",
    "mnist",
    _idx(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        (
            (
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
)

FASHION = Collection(
    "fashion_mnist",
    "70,000 articles of clothing, 28 x 28",
    "fashion-mnist",
    _idx(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        (
            (
                "train-images-idx3-ubyte.gz",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                29515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                4422102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                5148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    ),
)

CIFAR = Collection(
    "cifar10",
    "60,000 photographs in colour, 32 x 32",
    "cifar10",
    (
        Remote(
            "cifar-10-binary.tar.gz",
            170052171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
        ),
    ),
    tuple(
        (f"cifar-10-batches-bin/{name}", sha256)
        for name, sha256 in zip(
            (*TRAIN, TEST),
            (
                "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
                "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
                "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
                "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
                "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
                "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            ),
            strict=True,
        )
    ),
)

MNIST1D = Collection(
    "mnist1d",
    "5,000 signals of 40 points",
    "mnist1d",
    by_hand=(
        "its authors publish it as a Python pickle (github.com/greydanus/mnist1d, "
        "mnist1d_data.pkl), which randstudy does not open, as a pickle can run anything. If you "
        "trust it, load it and write its arrays with numpy.savez('mnist1d_default.npz', x=..., "
        "y=..., x_test=..., y_test=...)"
    ),
)

COLLECTIONS = {one.name: one for one in (MNIST, FASHION, CIFAR, MNIST1D)}


def collection(name: str) -> Collection:
    """Return a collection by its name.

    Raises
    ------
    RandstudyError
        There is none; its text says what there is.
    """
    if name not in COLLECTIONS:
        raise RandstudyError(
            f"no data set to get is called {name!r}{suggestion(name, [*COLLECTIONS])}"
        )
    return COLLECTIONS[name]
