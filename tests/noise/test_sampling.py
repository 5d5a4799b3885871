from __future__ import annotations

import numpy as np

from labelmend.noise.sampling import categorical, flip_to_scores, multinomial_labels


def test_multinomial_labels_are_the_public_stream() -> None:
    matrix = np.array([[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    true = np.array([0, 2, 1, 1, 0, 2, 2, 0])
    state = np.random.RandomState(5)
    expected = [int(np.argmax(state.multinomial(1, matrix[label], 1)[0])) for label in true]
    assert multinomial_labels(true, matrix, 5).tolist() == expected


def test_categorical_is_the_arithmetic_of_choice() -> None:
    rows = np.random.RandomState(0).dirichlet(np.ones(6), 200)
    state = np.random.RandomState(3)
    expected = [state.choice(6, p=row) for row in rows]
    assert categorical(rows, np.random.RandomState(3).random_sample(200)).tolist() == expected


def test_categorical_at_the_edges() -> None:
    rows = np.array([[0.0, 0.5, 0.5], [0.0, 0.5, 0.5], [0.25, 0.75, 0.0], [0.25, 0.75, 0.0]])
    uniform = np.array([0.0, 0.5, 0.25, np.nextafter(1, 0)])
    assert categorical(rows, uniform).tolist() == [1, 2, 1, 1]


def test_flip_probabilities_by_hand() -> None:
    scores = np.array([[9.0, np.log(3.0), 0.0]])
    found = flip_to_scores(scores, np.array([0]), np.array([0.4]))
    np.testing.assert_allclose(found, [[0.6, 0.3, 0.1]])
