"""The one door: every act on evidence passes here (house), and what is known is read here (reading)."""
