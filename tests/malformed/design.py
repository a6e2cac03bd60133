"""Headers and designs that cannot be: factors, arms, exclusions, replicates, comparisons."""

from __future__ import annotations

from tests.malformed.case import case

FACTORS_OF_20_000 = f"factors: {{batch_size: [{', '.join(map(str, range(20_000)))}]}}  # !"
WRONG_20_000 = f"factors: {{init: [{', '.join(f'scheme{n}' for n in range(20_000))}]}}  # !"
NUMBERS = f"[{', '.join(str(n / 1001) for n in range(1, 1001))}]"
MANY = f"factors: {{lr: {NUMBERS}}}\nreplicates: 2000000000  # !"
DRAWN = "design: {name: random, cells: 4}\n"
LINE = "data: {name: linear_regression, train: 300}\n"

HEADER = [
    case("a name that is a path", "name: ../mine  # !", "name", "cannot name a study"),
    case("a name that is a number", "name: 3  # !", "name", "expected text, got 3"),
    case("a question in a list", "question: [why]  # !", "question", "expected text"),
    case("a seed below 0", "seed: -1  # !", "seed", "-1 must be at least 0"),
    case("a seed with a fraction", "seed: 1.5  # !", "seed", "expected a whole number"),
    case("true for a seed", "seed: true  # !", "seed", "expected a whole number, got true"),
    case("text for a seed", "seed: '1'  # !", "seed", "got the text '1'"),
    case("a seed of 5,000 digits", f"seed: {'9' * 5000}  # !", "seed", "expected a whole number"),
    case("no repeat", "repeat: 0  # !", "repeat", "0 must be at least 1"),
    case("too often", "repeat: 1000000000000  # !", "repeat", "at most 2.14748e+09"),
    case("no such metric", "metric: test_acuracy  # !", "metric", "did you mean test_accuracy?"),
    case("two metrics", "metric: [test_loss, test_accuracy]  # !", "metric", "expected text"),
    case(
        "an accuracy of numbers",
        f"{LINE}metric: test_accuracy  # !",
        "metric",
        "is no metric of a number task",
    ),
    case("no such direction", "direction: upwards  # !", "direction", "maximize or minimize"),
    case("a section misspelt", "modle: mlp  # !", "modle", "did you mean model?"),
    case("a field at the top", "lr: 0.1  # !", "lr", "belongs under training, as training.lr"),
    case(
        "two intervals",
        "evaluation: {every_steps: 1, every_epochs: 1}  # !",
        "evaluation",
        "not both",
    ),
    case(
        "an interval of 0", "evaluation: {every_steps: 0}  # !", "evaluation.every_steps", "least"
    ),
    case("a list to evaluate", "evaluation: [logits]  # !", "evaluation", "expected a mapping"),
    case(
        "weights of a large network",
        "model: mlp\nevaluation: {weights: true}  # !",
        "evaluation.weights",
        "at most 100 become metrics",
    ),
    case("no cores", "resources: {cpus: 0}  # !", "resources.cpus", "0 must be at least 1"),
    case("one and a half GPUs", "resources: {gpus: 1.5}  # !", "resources.gpus", "whole number"),
    case("a tracker at nan", "tracking: {uri: .nan}  # !", "tracking.uri", "expected text or null"),
    case("a tracker at a path", "tracking: {uri: mlruns}  # !", "tracking.uri", "absolute"),
    case(
        "a tracker's password",
        "tracking: {uri: 'https://me:secret@host'}  # !",
        "tracking.uri",
        "password",
    ),
]

FACTORS = [
    case("a list of factors", "factors: [lr]  # !", "factors", "expected a mapping such as"),
    case("no field", "factors: {learning_rte: [1]}  # !", "factors.learning_rte", "no field"),
    case("a misspelt field", "factors: {batchsize: [1]}  # !", "factors.batchsize", "batch_size?"),
    case("a factor without a name", "factors: {'': [1]}  # !", "factors.", "no field ''"),
    case(
        "a name of two fields",
        f"{LINE}split: random\nfactors: {{validation: [10, 20]}}  # !",
        "factors.validation",
        "'validation' may mean",
        "data.validation or split.validation; write it in full",
    ),
    case(
        "a field of another part",
        "training: {optimizer: adam, lr: 0.1, batch_size: 32, epochs: 1}\n"
        "factors: {momentum: [0, 0.9]}  # !",
        "factors.momentum",
        "training.optimizer.momentum is a field of",
        "which is not the training.optimizer here",
    ),
    case(
        "a field of no layer",
        "factors: {activation: [relu, tanh]}  # !",
        "factors.activation",
        "which is not the model here",
    ),
    case("one level twice", "factors: {lr: [0.1, 0.1]}  # !", "factors.lr[1]", "listed twice"),
    case(
        "one level in two spellings",
        "factors: {lr: [0.1, 1e-1]}  # !",
        "factors.lr[1]",
        "0.1 is listed twice",
    ),
    case("one and one point nought", "factors: {lr: [1, 1.0]}  # !", "factors.lr[1]", "same level"),
    case(
        "a part by name and in full",
        "factors: {optimizer: [sgd, {name: sgd, momentum: 0}]}  # !",
        "factors.optimizer[1]",
        "is the same level as sgd",
    ),
    case(
        "one field by two names",
        "factors: {lr: [0.1], training.lr: [0.2]}  # !",
        "factors.training.lr",
        "sets the same field as lr",
    ),
    case("no levels", "factors: {lr: []}  # !", "factors.lr", "got an empty list"),
    case("nothing for levels", "factors: {lr: }  # !", "factors.lr", "expected a list of levels"),
    case("one level alone", "factors: {lr: 0.1}  # !", "factors.lr", "write [0.1]"),
    case("text as a number", "factors: {lr: ['0.1']}  # !", "factors.lr[0]", "the text '0.1'"),
    case("true as 1", "factors: {lr: [true]}  # !", "factors.lr[0]", "expected a number, got true"),
    case("no number", "factors: {lr: [.nan]}  # !", "factors.lr[0]", "must be a finite number"),
    case("infinite", "factors: {lr: [0.1, -.inf]}  # !", "factors.lr[1]", "must be a finite"),
    case("beyond all numbers", "factors: {lr: [1e999]}  # !", "factors.lr[0]", "must be a finite"),
    case("400 digits", f"factors: {{lr: [{'9' * 400}]}}  # !", "factors.lr[0]", "finite"),
    case("a negative rate", "factors: {lr: [-1]}  # !", "factors.lr[0]", "-1.0 must be above 0"),
    case("null", "factors: {lr: [null]}  # !", "factors.lr[0]", "got null"),
    case("a list as a level", "factors: {lr: [[0.1]]}  # !", "factors.lr[0]", "got a list"),
    case("half an example", "factors: {batch_size: [1.5]}  # !", "factors.batch_size[0]", "whole"),
    case(
        "more than there are",
        "factors: {batch_size: [16, 4000]}  # !",
        "factors.batch_size[1]",
        "4000 is larger than the training set of 1077; use full",
    ),
    case("no such part", "factors: {init: [xavier]}  # !", "factors.init[0]", "xavier_normal?"),
    case(
        "a field that no level has",
        "factors: {init: [{name: normal, sdd: 1}]}  # !",
        "factors.init[0].sdd",
        "did you mean sd?",
    ),
    case("a section", "factors: {training: [{lr: 1}]}  # !", "factors.training", "whole section"),
    case("the seed", "factors: {seed: [1, 2]}  # !", "factors.seed", "no field 'seed'"),
    case(
        "twenty thousand levels", FACTORS_OF_20_000, "factors.batch_size[0]", "0 must be at least"
    ),
    case("twenty thousand strangers", WRONG_20_000, "factors.init[0]", "no init is called"),
    case("more cells than can be", MANY, "replicates", "asks for 2.0e+12 trainings; at most 1e+12"),
]

NESTED = [
    case(
        "nested in nothing",
        "factors: {lr: {in: optimiser, levels: {sgd: [1]}}}  # !",
        "factors.lr.in",
        "'optimiser' is no factor",
    ),
    case(
        "nested in itself",
        "factors: {lr: {in: lr, levels: {a: [1]}}}  # !",
        "factors.lr.in",
        "nested in each other",
    ),
    case(
        "nested in a stranger's level",
        "factors: {optimizer: [sgd, adam], lr: {in: optimizer, levels: {adma: [1]}}}  # !",
        "factors.lr.levels.adma",
        "did you mean adam?",
    ),
    case(
        "nested levels twice",
        "factors: {optimizer: [sgd], lr: {in: optimizer, levels: {sgd: [0.1, 1e-1]}}}  # !",
        "factors.lr.levels.sgd[1]",
        "0.1 is listed twice",
    ),
    case(
        "nested in each other",
        "factors: {lr: {in: init, levels: {a: [1]}}, init: {in: lr, levels: {b: [normal]}}}  # !",
        "factors.lr.in",
        "these are nested in each other",
    ),
    case(
        "nested and drawn",
        f"{DRAWN}factors: {{init: [normal], lr: {{in: init, levels: {{normal: [1]}}}}}}  # !",
        "factors.lr",
        "is nested, which goes with crossed factors",
    ),
]

DESIGNS = [
    case("no such design", "design: grid  # !", "design", "no design is called 'grid'"),
    case("a list of designs", "design: [random]  # !", "design", "expected the name of one"),
    case("no number of points", "design: random  # !", "design.cells", "is missing"),
    case("no points", "design: {name: sobol, cells: 0}  # !", "design.cells", "at least 1"),
    case("too many points", "design: {name: sobol, cells: 1000000}  # !", "design.cells", "most"),
    case("nothing to draw", "design: {name: random, cells: 4}  # !", "design", "nothing to draw"),
    case(
        "more points than there are",
        "design: {name: sobol, cells: 9}  # !\nfactors: {init: [normal, orthogonal]}",
        "design.cells",
        "draws 2 different points, not 9",
    ),
    case(
        "a range without a design",
        "factors: {lr: {loguniform: [0.1, 1]}}  # !",
        "factors.lr",
        "from which crossed draws nothing",
    ),
    case(
        "a range backwards",
        f"{DRAWN}factors: {{lr: {{uniform: [1, 0.1]}}}}  # !",
        "factors.lr.uniform",
        "must be below",
    ),
    case(
        "the logarithm of 0",
        f"{DRAWN}factors: {{lr: {{loguniform: [0, 1]}}}}  # !",
        "factors.lr.loguniform",
        "must be above 0",
    ),
    case(
        "three ends",
        f"{DRAWN}factors: {{lr: {{uniform: [1, 2, 3]}}}}  # !",
        "factors.lr.uniform",
        "expected [lowest, highest]",
    ),
    case(
        "infinite ends",
        f"{DRAWN}factors: {{lr: {{uniform: [0.1, .inf]}}}}  # !",
        "factors.lr.uniform",
        "expected two numbers",
    ),
    case(
        "ends of 300 digits",
        f"{DRAWN}factors: {{batch_size: {{integer: [1, {'9' * 300}]}}}}  # !",
        "factors.batch_size",
        "is larger than the training set of 1077",
    ),
    case(
        "a range of parts",
        f"{DRAWN}factors: {{init: {{uniform: [0, 1]}}}}  # !",
        "factors.init.uniform",
        "expected the name of one",
    ),
    case(
        "a range out of bounds",
        f"{DRAWN}factors: {{momentum: {{uniform: [0, 2]}}}}  # !",
        "factors.momentum.uniform",
        "at least 0 and below 1",
    ),
    case(
        "another distribution",
        f"{DRAWN}factors: {{lr: {{normal: [0, 2]}}}}  # !",
        "factors.lr.normal",
        "no range is called 'normal'; did you mean uniform?",
    ),
    case(
        "a reference that is no level",
        "design: {name: one_at_a_time, reference: {lr: 0.3}}  # !\nfactors: {lr: [0.1, 0.2]}",
        "design.reference.lr",
        "0.3 is no level of lr; it has 0.1, 0.2",
    ),
    case(
        "a cell twice",
        "cells:\n  - {lr: 0.1}\n  - {lr: 1e-1}  # !",
        "cells[1]",
        "is the same cell as cells[0]",
    ),
    case("cells in a mapping", "cells: {lr: 0.1}  # !", "cells", "expected a list such as"),
    case("a cell of nothing", "cells: [lr]  # !", "cells[0]", "expected a mapping of fields"),
    case(
        "cells and factors",
        "cells: [{lr: 0.1}]  # !\nfactors: {init: [normal]}",
        "cells",
        "there are no factors",
    ),
    case("a cell out of bounds", "cells: [{lr: 0}]  # !", "cells[0].lr", "must be above 0"),
]

ARMS = [
    case("a list of arms", "arms: [small]  # !", "arms", "expected a mapping such as"),
    case("an arm of text", "arms: {small: yes}  # !", "arms.small", "expected a mapping of fields"),
    case("an arm with a stranger", "arms: {a: {batch: 1}}  # !", "arms.a.batch", "batch_size?"),
    case(
        "two arms alike",
        "arms:\n  a: {lr: 0.1}\n  b: {lr: 1e-1}  # !",
        "arms.b",
        "b is the same level as a",
    ),
    case(
        "an arm and a factor",
        "arms: {a: {lr: 1}}\nfactors: {lr: [1, 2]}  # !",
        "factors.lr",
        "sets the same field as arm",
    ),
    case(
        "an arm without replicates",
        "arms: {a: {lr: 1, replicates: 0}}  # !",
        "arms.a.replicates",
        "0 must be at least 1",
    ),
    case("an arm out of bounds", "arms: {a: {rate: 2}}  # !", "arms.a.rate", "at most 1"),
]

EXCLUSIONS = [
    case("not a list", "exclude: {lr: 1}  # !", "exclude", "expected a list such as"),
    case("not a mapping", "exclude: [lr]  # !", "exclude[0]", "expected a mapping of factors"),
    case(
        "not a factor",
        "factors: {lr: [1, 2]}\nexclude: [{momentum: 0}]  # !",
        "exclude[0].momentum",
        "is not a factor; there is lr",
    ),
    case(
        "not a level",
        "factors: {lr: [1, 2]}\nexclude: [{lr: 3}]  # !",
        "exclude[0].lr",
        "3 is not a level of lr: 1, 2",
    ),
    case(
        "everything",
        "factors: {lr: [1, 2]}\nexclude: [{lr: 1}, {lr: 2}]  # !",
        "exclude",
        "leaves no cell to train",
    ),
]

REPLICATES = [
    case("none", "replicates: 0  # !", "replicates", "0 must be at least 1"),
    case("below none", "replicates: -8  # !", "replicates", "-8 must be at least 1"),
    case("too many", "replicates: 1e9  # !", "replicates", "expected a whole number"),
    case("far too many", f"replicates: {'9' * 30}  # !", "replicates", "must be at least 1"),
    case("words", "replicates: many  # !", "replicates", "expected a whole number"),
    case("no stream", "replicates: {inti: 8}  # !", "replicates.inti", "did you mean init?"),
    case(
        "a stream twice",
        "replicates: {init: 8, init+order: 2}  # !",
        "replicates.init+order",
        "two groups",
    ),
    case(
        "a stream that is fixed",
        "replicates: {init: 8}  # !\nfixed: [init]",
        "replicates.init",
        "init is also held by fixed",
    ),
    case(
        "a stream that nothing uses",
        "replicates: {dropout: 8}  # !",
        "replicates.dropout",
        "no cell consumes dropout",
        "streams consumed: init, order, split",
    ),
    case(
        "all streams fixed",
        "replicates: 8  # !\nfixed: [split, init, order]",
        "replicates",
        "no cell consumes any stream that is not fixed",
    ),
    case("no such stream fixed", "fixed: [spilt]  # !", "fixed[0]", "did you mean split?"),
    case("a stream fixed twice", "fixed: [split, split]  # !", "fixed[1]", "listed twice"),
    case("text fixed", "fixed: split  # !", "fixed", "write [split]"),
]

COMPARE = [
    case("a text", "compare: lr  # !", "compare", "expected a mapping such as"),
    case("no factor", "compare: {alpha: 0.05}  # !", "compare.factor", "is missing"),
    case(
        "no factor of the study",
        "factors: {lr: [1, 2]}\ncompare: {factor: init}  # !",
        "compare.factor",
        "'init' is no factor of this study; there is lr",
    ),
    case(
        "one level",
        "factors: {lr: [1]}\ncompare: {factor: lr}  # !",
        "compare.factor",
        "has one level, so there is nothing to compare",
    ),
    case(
        "too bold",
        "factors: {lr: [1, 2]}\ncompare: {factor: lr, alpha: 0.9}  # !",
        "compare.alpha",
        "at most 0.5",
    ),
    case(
        "no difference",
        "factors: {lr: [1, 2]}\ncompare: {factor: lr, smallest_difference: 0}  # !",
        "compare.smallest_difference",
        "must be above 0",
    ),
    case(
        "a reference that is not there",
        "factors: {lr: [1, 2]}\ncompare: {factor: lr, reference: 3}  # !",
        "compare.reference",
        "3 is no",
    ),
    case(
        "another metric",
        "factors: {lr: [1, 2]}\ncompare: {factor: lr, metric: accuracy}  # !",
        "compare.metric",
        "did you mean test_accuracy?",
    ),
    case(
        "a drawn factor",
        f"{DRAWN}factors: {{lr: {{uniform: [1, 2]}}, weight_decay: {{uniform: [0, 1]}}}}\n"
        "compare: {factor: lr}  # !",
        "compare.factor",
        "lr",
    ),
]
