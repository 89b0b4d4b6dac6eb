"""How long a queue makes people wait: M/M/c exactly, G/G/c by Allen and Cunneen.

Erlang's C is computed from Erlang's B by its recursion, which overflows nowhere. The mean wait of G/G/c is that of
M/M/c times the mean of the squared coefficients of variation of arrivals and service. Whoever waits at all is taken to
wait exponentially long, as in M/M/c, where all of this is exact.

Sources: A. O. Allen, Probability, Statistics, and Queueing Theory with Computer Science Applications, 2nd edition,
1990, section 5.3; G. Bolch, S. Greiner, H. de Meer, K. S. Trivedi, Queueing Networks and Markov Chains, 2nd edition,
2006, section 6.3.6.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import exp, inf

_HALVINGS = 40


@dataclass(frozen=True)
class Service:
    """How long one core works on a picture, as a mixture of fixed times.

    Attributes:
        seconds: of each kind of picture.
        shares: of each kind; they add up to one.
    """

    seconds: tuple[float, ...]
    shares: tuple[float, ...]

    @property
    def mean_s(self) -> float:
        """Of all pictures."""
        return sum(share * one for share, one in zip(self.shares, self.seconds, strict=True))

    @property
    def variation(self) -> float:
        """The squared coefficient of variation."""
        square = sum(share * one**2 for share, one in zip(self.shares, self.seconds, strict=True))
        return square / self.mean_s**2 - 1


@dataclass(frozen=True)
class Queue:
    """One line before several cores, first come first served.

    Attributes:
        rate: arrivals a second.
        cores: that serve.
        service: of one.
        arrival_variation: the squared coefficient of variation of the time between arrivals; 1: Poisson's.
        longest_wait_s: whoever would wait longer is refused.
    """

    rate: float
    cores: int
    service: Service
    arrival_variation: float = 1.0
    longest_wait_s: float = inf

    @property
    def load(self) -> float:
        """Work that arrives, as a share of what the cores can do."""
        return self.rate * self.service.mean_s / self.cores

    @cached_property
    def waiting_share(self) -> float:
        """The share of arrivals that wait: Erlang's C; all, where more arrives than can be done."""
        return erlang_c(self.cores, self.rate * self.service.mean_s) if self.load < 1 else 1.0

    @cached_property
    def mean_wait_s(self) -> float:
        """Of all arrivals, those that do not wait included, if nobody is refused."""
        if self.load >= 1:
            return inf
        exponential = self.waiting_share * self.service.mean_s / (self.cores * (1 - self.load))
        return exponential * (self.arrival_variation + self.service.variation) / 2

    def waits_longer(self, seconds: float) -> float:
        """The share of accepted arrivals that wait longer than that."""
        if seconds < 0:
            return 1.0
        if seconds >= self.longest_wait_s:
            return 0.0
        if self.load >= 1:
            return 1.0  # the line is always as long as it may be
        if self.mean_wait_s == 0:
            return 0.0
        decay = self.waiting_share / self.mean_wait_s
        beyond = self.waiting_share * exp(-decay * self.longest_wait_s)
        return (self.waiting_share * exp(-decay * seconds) - beyond) / (1 - beyond)

    def takes_longer(self, seconds: float) -> float:
        """The share of accepted arrivals whose wait and service together take longer than that."""
        service = zip(self.service.shares, self.service.seconds, strict=True)
        return sum(share * self.waits_longer(seconds - one) for share, one in service)

    def percentile_s(self, share: float) -> float:
        """Within which that share of the accepted arrivals is answered."""
        if self.load >= 1 and self.longest_wait_s == inf:
            return inf
        low, high = 0.0, max(self.service.seconds)
        while self.takes_longer(high) > 1 - share:
            high *= 2
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.takes_longer(middle) > 1 - share else (low, middle)
        return high


def erlang_c(servers: int, offered: float) -> float:
    """The share of arrivals that wait in M/M/c.

    Args:
        servers: c.
        offered: arrival rate times mean service time, below c.
    """
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    load = offered / servers
    return blocked / (1 - load * (1 - blocked))


@lru_cache(maxsize=64)
def most_load(cores: int, service: Service, target_s: float, share: float = 0.99) -> float:
    """Arrivals a second that those cores can take so that a share of them is answered within the target; 0: none."""
    if Queue(1e-9, cores, service).percentile_s(share) > target_s:
        return 0.0
    low, high = 0.0, cores / service.mean_s
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if Queue(middle, cores, service).percentile_s(share) <= target_s else (low, middle)
    return low
