"""The demo: a small real web site made of sentences with known answers, and what is measured against them."""
