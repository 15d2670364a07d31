"""Late-interaction models: token vectors with a projection of their own."""
