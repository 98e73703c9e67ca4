"""Bundle, registry, gate and what people ask of a deployed model."""
