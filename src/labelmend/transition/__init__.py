"""Estimating the transition matrix, Bayes' rule with it, forward correction by it."""
