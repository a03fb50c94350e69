"""The privacy audit: attacks on updates under defences, what they recover, and what that is worth.

In the order of an audit: audit.py opens one, plan.py says what is done, cases.py keeps the updates under attack,
attempts.py makes the attacks, outcome.py measures what they recovered, document.py judges it, pictures.py and page.py
show it.
"""
