# === The tape ===
TAPE = []  # every operation of the forward pass, in the order it ran


class Node:
    """A matrix and the gradient of the loss with respect to it.

    Both are lists of rows of the same shape; `grad` is None until something
    flows back. Rows are never changed in place, so nodes may share them.
    """

    __slots__ = ("value", "grad")

    def __init__(self, value):
        self.value, self.grad = value, None

    def receive(self, rows):
        """Add `rows` to the gradient: one value used twice gets both parts."""
        if self.grad is None:
            self.grad = rows
        else:
            self.grad = [list(map(add, a, b)) for a, b in zip(self.grad, rows)]


def record(value, pull):
    """Put one operation on the tape; `pull` takes the output's gradient."""
    out = Node(value)
    TAPE.append((out, pull))
    return out


def backward(loss):
    """Run the tape in reverse from a 1 x 1 loss, and leave it empty.

    In reverse order each node has the whole of its gradient before it is
    pulled. Popping frees each closure at once: no graph stays behind for
    the cyclic garbage collector.
    """
    loss.grad = [[1.0]]
    while TAPE:
        out, pull = TAPE.pop()
        if out.grad is not None:  # else the loss does not depend on it
            pull(out.grad)


# --- Multiply by a transposed matrix ---
def product(a, b):
    """A B^T of two lists of rows.

    product([[1, 2]], [[3, 4], [5, 6]]) -> [[11, 17]]
    """
    return [[sum(map(mul, row, col)) for col in b] for row in a]


def transpose(a):
    """transpose([[1, 2], [3, 4]]) -> [(1, 3), (2, 4)]"""
    return list(zip(*a))


def times(a, b):
    """C = A B^T: [n][k] and [m][k] give [n][m].

    Rows against rows, because Python reads a row without copying it.
    dA = dC B and dB = dC^T A, both written as a product of rows again.
    """
    def pull(grad):
        a.receive(product(grad, transpose(b.value)))
        b.receive(product(transpose(grad), transpose(a.value)))

    return record(product(a.value, b.value), pull)


# --- Add ---
def plus(a, b):
    """A + B, the same shape; the gradient passes to both unchanged."""
    def pull(grad):
        a.receive(grad)
        b.receive(grad)

    return record([list(map(add, x, y)) for x, y in zip(a.value, b.value)],
                  pull)


# --- Cut below zero ---
def relu(a):
    """max(A, 0); the gradient passes where the value did."""
    out = [[v if v > 0.0 else 0.0 for v in row] for row in a.value]

    def pull(grad):
        a.receive([[g if v else 0.0 for g, v in zip(grad_row, row)]
                   for grad_row, row in zip(grad, out)])

    return record(out, pull)


# --- Score the predictions ---
def softmax(row):
    """softmax([0, 0]) -> [0.5, 0.5]"""
    top = max(row)  # subtracting the maximum keeps exp() below overflow
    exps = [exp(v - top) for v in row]
    total = sum(exps)
    return [e / total for e in exps]


def cross_entropy(logits, targets):
    """Mean of -log p(target) over the rows: [n][classes] -> [[loss]].

    A target of None leaves its row out. dlogits = (p - onehot(target)) / n.
    """
    probabilities = [softmax(row) for row in logits.value]
    counted = [(p, t) for p, t in zip(probabilities, targets) if t is not None]
    loss = -sum(log(p[t]) for p, t in counted) / len(counted)

    def pull(grad):
        scale = grad[0][0] / len(counted)
        rows = []
        for p, target in zip(probabilities, targets):
            row = [0.0 if target is None else scale * v for v in p]
            if target is not None:
                row[target] -= scale
            rows.append(row)
        logits.receive(rows)

    return record([[loss]], pull)


# === Adam ===
class Adam:
    """Kingma and Ba's optimizer: a step of its own size for every number.

    m and v are running means of the gradient and of its square. Their
    corrections for the start at zero are folded into one step size a call
    (section 2 of the paper), so the inner loop has no division but one.
    """

    def __init__(self, parameters, beta1=0.9, beta2=0.99, epsilon=1e-8):
        self.parameters = parameters
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.steps = 0
        self.moments = [[([0.0] * len(row), [0.0] * len(row))
                         for row in node.value] for node in parameters]

    def step(self, learning_rate):
        """Move every parameter against its gradient, then forget that."""
        self.steps += 1
        b1, b2, eps = self.beta1, self.beta2, self.epsilon
        rate = (learning_rate * sqrt(1 - b2 ** self.steps)
                / (1 - b1 ** self.steps))
        for node, moments in zip(self.parameters, self.moments):
            if node.grad is None:
                continue
            for i, (grad, (m, v)) in enumerate(zip(node.grad, moments)):
                m = [b1 * a + (1 - b1) * g for a, g in zip(m, grad)]
                v = [b2 * a + (1 - b2) * g * g for a, g in zip(v, grad)]
                moments[i] = m, v
                node.value[i] = [w - rate * a / (sqrt(b) + eps) for w, a, b
                                 in zip(node.value[i], m, v)]
            node.grad = None
