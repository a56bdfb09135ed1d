"""One router for each tenant: they differ in whose money they hold, and share everything else."""

from collections.abc import Mapping

from pointsman.router import Router
from pointsman.treasury import Treasury


class Tenants:
    """The routers of all tenants of a deployment; `router` is that of the tenant it was opened for.

    A router without a treasury serves every tenant as it is: there is no money to tell apart.
    """

    def __init__(self, router: Router) -> None:
        self.router = router
        self._others: dict[str, Router] = {}

    def of(self, tenant: str) -> Router:
        """Return the router that holds this tenant's money."""
        treasury = self.router.treasury
        if treasury is None or tenant == treasury.tenant:
            return self.router
        found = self._others.get(tenant)
        if found is None:
            found = self._others[tenant] = self.router.paid_by(treasury.of(tenant))
        return found

    @property
    def unpaid(self) -> Router:
        """The router that holds nobody's money: its decisions aren't for calls."""
        return self.router.paid_by(None)

    def treasury_of(self, tenant: str) -> Treasury:
        """Return the tenant's treasury, of a router that has one."""
        treasury = self.of(tenant).treasury
        assert treasury is not None
        return treasury

    def treasuries(self) -> list[Treasury]:
        """Return the treasuries of all tenants that asked for something."""
        found = (one.treasury for one in (self.router, *self._others.values()))
        return [one for one in found if one is not None]

    def replace(self, router: Router) -> None:
        """Decide from here on with another router."""
        self.router, self._others = router, {}

    def note_availability(self, availability: Mapping[str, float]) -> None:
        """Decide from here on with these shares of availability, by model."""
        self.router = self.router.with_availability(availability)
        self._others = {name: one.with_availability(availability) for name, one in self._others.items()}
