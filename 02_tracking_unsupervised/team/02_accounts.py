# databricks: non (là-bas, les comptes sont ceux de l'espace de travail)
# %% [markdown]
# # Leçon 2, équipe, script 2 : les comptes d'une classe

# %%
import argparse
