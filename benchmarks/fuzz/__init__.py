"""Cases for `chaos_input.py`: made from a seed, run where they can do no harm, and judged."""
