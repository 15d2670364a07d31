"""What is reported of the codes and how: settings, symptoms, the principal diagnosis, roles, present on admission."""
