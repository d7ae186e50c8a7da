"""The end of a day: what was traded, what it earned, and whether journal and venue agree on it. Pure but for
`sources`.
"""
