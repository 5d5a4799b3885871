import os
import signal
import threading

import pytest

from labelmend.training.stopping import Stopping


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Ended(Exception):
    pass


def end(number, frame):
    raise Ended(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_and_is_then_obeyed(number):
    signal.signal(number, end)
    done = []
    with pytest.raises(Ended, match=str(int(number))), Stopping() as stopping:
        assert not stopping.asked
        os.kill(os.getpid(), number)
        done.append(stopping.asked)
    assert done == [True]
    assert signal.getsignal(number) is end


def test_a_second_signal_is_obeyed_at_once():
    signal.signal(signal.SIGINT, end)
    with pytest.raises(Ended), Stopping():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it went on")
    assert signal.getsignal(signal.SIGINT) is end


def test_an_error_inside_comes_before_the_signal():
    signal.signal(signal.SIGINT, end)
    with pytest.raises(ZeroDivisionError), Stopping():
        os.kill(os.getpid(), signal.SIGINT)
        raise ZeroDivisionError


def test_what_python_does_not_handle_stays_as_it_is():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Stopping() as stopping:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGINT)
        assert not stopping.asked


def test_another_thread_has_no_signals():
    found = []

    def work():
        with Stopping() as stopping:
            found.append((stopping.asked, signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]
