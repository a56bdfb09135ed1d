"""The steps by which the tables came to be; `pointsman.store.schema` runs them."""
