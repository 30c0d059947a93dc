"""Dessine `Images/MLFlow_quatre_composants.PNG` : les quatre composants de MLflow, ce qui passe de
l'un à l'autre, leur leçon.

tools/make_images.py l'appelle ; l'unité est le pixel, l'origine en haut à gauche.
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

WIDTH, HEIGHT = 1200, 800
INK, SOFT, PAPER = "#1b2a3a", "#5b6b7b", "#ffffff"
CARD_WIDTH, CARD_HEIGHT = 440, 290
LEFT, RIGHT, TOP, BOTTOM = 30, 730, 90, 480

# (titre, leçon, couleur, fond, x, y, phrase, ce qu'il garde)
CARDS = (
    (
        *("Tracking", "leçons 1 et 2", "#0b76b8", "#eef7fd", LEFT, TOP),
        "Il note chaque essai,\npuis les retrouve\net les compare.",
        "paramètres, métriques, figures",
    ),
    (
        *("Models", "leçons 1 et 4", "#b4540a", "#fdf4ea", RIGHT, TOP),
        "Il range un modèle\navec de quoi le rouvrir,\nplus tard, ailleurs.",
        "signature, exemple, dépendances",
    ),
    (
        *("Projects", "leçon 3", "#2c7a4b", "#eef8f1", LEFT, BOTTOM),
        "Il dit comment relancer\nun code : le vôtre,\nou celui d'un autre.",
        "commande, commit, paramètres",
    ),
    (
        *("Model Registry", "leçon 4", "#6a3fa0", "#f5f0fb", RIGHT, BOTTOM),
        "Il nomme vos modèles,\nles numérote, et dit\nlequel est en service.",
        "nom, versions, alias @champion",
    ),
)


def draw(path: Path) -> None:
    """Écrit l'image dans `path`, en PNG de 1200 pixels de large."""
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    axes.axis("off")
    axes.text(
        WIDTH / 2,
        45,
        "MLflow : quatre composants, un seul magasin",
        size=21,
        weight="bold",
        color=INK,
        ha="center",
        va="center",
    )
    for card in CARDS:
        draw_card(axes, *card)
    for icon, x, y, color in (
        (curve, LEFT, TOP, "#0b76b8"),
        (box, RIGHT, TOP, "#b4540a"),
        (terminal, LEFT, BOTTOM, "#2c7a4b"),
        (labels, RIGHT, BOTTOM, "#6a3fa0"),
    ):
        icon(axes, x + CARD_WIDTH - 105, y + 95, color)
    arrow(axes, (480, 175), (720, 175), "un run produit\nun modèle", (600, 140))
    arrow(
        axes, (RIGHT + 220, 390), (RIGHT + 220, 470), "on inscrit\nle meilleur", (RIGHT + 310, 430)
    )
    arrow(
        axes, (LEFT + 220, 470), (LEFT + 220, 390), "une commande\nouvre un run", (LEFT + 110, 430)
    )
    arrow(
        axes,
        (720, 690),
        (480, 690),
        "la lignée :\nd'une prédiction\nà son code",
        (600, 635),
        dashed=True,
    )
    store(axes, 600, 430)
    figure.savefig(path, format="png")


def draw_card(
    axes: Axes,
    title: str,
    lesson: str,
    color: str,
    background: str,
    x: int,
    y: int,
    sentence: str,
    keeps: str,
) -> None:
    """Un composant : son nom sur un bandeau, sa leçon, sa phrase, ce qu'il garde."""
    rounded = "round,pad=0,rounding_size=16"
    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            CARD_WIDTH,
            CARD_HEIGHT,
            boxstyle=rounded,
            facecolor=background,
            edgecolor=color,
            linewidth=2,
        )
    )
    axes.add_patch(
        FancyBboxPatch(
            (x, y), CARD_WIDTH, 62, boxstyle=rounded, facecolor=color, edgecolor=color, linewidth=2
        )
    )
    axes.add_patch(Rectangle((x, y + 40), CARD_WIDTH, 24, facecolor=color, edgecolor="none"))
    axes.text(x + 22, y + 32, title, size=20, weight="bold", color=PAPER, va="center")
    axes.text(x + CARD_WIDTH - 20, y + 33, lesson, size=14.5, color=PAPER, ha="right", va="center")
    axes.text(x + 22, y + 145, sentence, size=17, color=INK, va="center", linespacing=1.45)
    axes.plot(
        (x + 22, x + CARD_WIDTH - 22), (y + 228, y + 228), color=color, linewidth=1, alpha=0.5
    )
    axes.text(x + 22, y + 259, keeps, size=15, color=color, va="center", weight="bold")


def arrow(
    axes: Axes, start: tuple, end: tuple, label: str, at: tuple, dashed: bool = False
) -> None:
    """Ce qui passe d'un composant à l'autre."""
    line = {
        "linewidth": 2.6,
        "color": INK,
        "linestyle": (0, (4, 3)) if dashed else "solid",
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=24, **line))
    axes.text(*at, label, size=14.5, color=INK, ha="center", va="center", linespacing=1.25)


def store(axes: Axes, x: int, y: int) -> None:
    """Le magasin, au centre : un cylindre, où les quatre composants lisent et écrivent."""
    for dx, dy in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        axes.plot(
            (x + 62 * dx, x + 125 * dx),
            (y + 40 * dy, y + 78 * dy),
            color=SOFT,
            linewidth=1.6,
            linestyle=(0, (1, 2)),
        )
    axes.add_patch(Rectangle((x - 62, y - 55), 124, 110, facecolor="#e8edf2", edgecolor="none"))
    axes.add_patch(Ellipse((x, y + 55), 124, 34, facecolor="#e8edf2", edgecolor=SOFT, linewidth=2))
    axes.add_patch(Rectangle((x - 61, y + 25), 122, 30, facecolor="#e8edf2", edgecolor="none"))
    axes.plot((x - 62, x - 62), (y - 55, y + 55), color=SOFT, linewidth=2)
    axes.plot((x + 62, x + 62), (y - 55, y + 55), color=SOFT, linewidth=2)
    axes.add_patch(Ellipse((x, y - 55), 124, 34, facecolor="#f6f8fa", edgecolor=SOFT, linewidth=2))
    axes.text(x, y - 12, "magasin", size=15, weight="bold", color=INK, ha="center", va="center")
    axes.text(
        x,
        y + 25,
        "mlflow.db\nmlruns/",
        size=13,
        color=SOFT,
        ha="center",
        va="center",
        family="monospace",
        linespacing=1.3,
    )


def curve(axes: Axes, x: int, y: int, color: str) -> None:
    """Une courbe qui monte."""
    axes.plot((x, x, x + 80), (y, y + 80, y + 80), color=color, linewidth=3, solid_capstyle="round")
    points = ((12, 62), (30, 40), (48, 46), (72, 12))
    axes.plot(
        [x + dx for dx, _ in points],
        [y + dy for _, dy in points],
        color=color,
        linewidth=2.5,
        marker="o",
        markersize=8,
    )


def box(axes: Axes, x: int, y: int, color: str) -> None:
    """Un carton fermé."""
    faces = (
        ((40, 2), (80, 22), (40, 42), (0, 22)),
        ((0, 22), (40, 42), (40, 84), (0, 64)),
        ((80, 22), (40, 42), (40, 84), (80, 64)),
    )
    for face, opacity in zip(faces, (0.15, 0.3, 0.5), strict=True):
        corners = [(x + dx, y + dy) for dx, dy in face]
        axes.add_patch(Polygon(corners, facecolor=color, alpha=opacity, edgecolor="none"))
        axes.add_patch(
            Polygon(corners, facecolor="none", edgecolor=color, linewidth=2.5, joinstyle="round")
        )


def terminal(axes: Axes, x: int, y: int, color: str) -> None:
    """Une fenêtre de terminal, et son invite."""
    axes.add_patch(
        FancyBboxPatch(
            (x, y + 8),
            84,
            68,
            boxstyle="round,pad=0,rounding_size=8",
            facecolor=PAPER,
            edgecolor=color,
            linewidth=2.5,
        )
    )
    axes.plot((x, x + 84), (y + 24, y + 24), color=color, linewidth=2.5)
    axes.plot((x + 14, x + 28, x + 14), (y + 36, y + 48, y + 60), color=color, linewidth=3)
    axes.plot((x + 36, x + 62), (y + 62, y + 62), color=color, linewidth=3)


def labels(axes: Axes, x: int, y: int, color: str) -> None:
    """Trois versions empilées ; l'alias est sur la dernière."""
    for number, top in ((1, 58), (2, 32), (3, 6)):
        filled = color if number == 3 else PAPER
        axes.add_patch(
            FancyBboxPatch(
                (x, y + top),
                56,
                22,
                boxstyle="round,pad=0,rounding_size=6",
                facecolor=filled,
                edgecolor=color,
                linewidth=2.5,
            )
        )
        axes.text(
            x + 28,
            y + top + 11.5,
            f"v{number}",
            size=12,
            weight="bold",
            color=PAPER if number == 3 else color,
            ha="center",
            va="center",
        )
    axes.add_patch(Circle((x + 76, y + 17), 14, facecolor=PAPER, edgecolor=color, linewidth=2.5))
    axes.text(x + 76, y + 16, "@", size=13, weight="bold", color=color, ha="center", va="center")
