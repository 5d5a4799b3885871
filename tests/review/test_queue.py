import pandas as pd

from labelmend.review.queue import review_order


def test_the_most_suspicious_come_first_then_the_surest_then_the_order_of_the_data():
    table = pd.DataFrame(
        {"label_quality": [0.9, 0.1, 0.1, 0.1], "suggestion_confidence": [0.9, 0.5, 0.8, 0.5]}
    )
    assert list(review_order(table)) == [2, 1, 3, 0]
