"""HTTP: connections and their limits, authentication, and how answers are sent."""
